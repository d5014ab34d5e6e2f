"""Dumps as the tools write them, with users whose passwords are known."""

from apps.sip.digest import Algorithm, ha1

GOOD = "k8-Fuchsbau-71"


def hashed(user: str, realm: str = "example.com", password: str = GOOD) -> str:
    return ha1(Algorithm.MD5, user, realm, password)


KAMAILIO_PG = f"""--
-- PostgreSQL database dump
--

\\restrict 7hf83
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION public.f() RETURNS integer LANGUAGE plpgsql AS $_$ BEGIN /* ' */ RETURN 1; END; $_$;
COMMENT ON TABLE public.subscriber IS 'it''s; INSERT INTO subscriber VALUES (1)';

CREATE TABLE public.subscriber (
    id integer NOT NULL,
    username character varying(64) DEFAULT ''::character varying NOT NULL
);

COPY public.acc (id, method) FROM stdin;
1\tCOPY public.subscriber (id) FROM stdin;
\\.

COPY public.subscriber (id, username, domain, password, ha1, ha1b) FROM stdin;
1\t6001\texample.com\t\t{hashed("6001")}\tx
2\t6002\texample.com\t\t{hashed("6002", password="1234")}\tx
3\tbad\\tname\texample.com\t\t{hashed("bad")}\tx
4\t6004\texample.com\t\t\\N\tx
\\.

COPY public.address (id, grp, ip_addr, mask, port, tag) FROM stdin;
1\t1\t198.51.100.7\t32\t5060\tBig Carrier
2\t1\t198.51.100.16\t28\t0\tBig Carrier
3\t1\t10.0.0.0\t8\t0\tinner
\\.

SELECT pg_catalog.setval('public.subscriber_id_seq', 4, true);
\\unrestrict 7hf83
"""

VICIDIAL_MYSQL = r"""-- MySQL dump 10.19  Distrib 10.3.39-MariaDB
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
DROP TABLE IF EXISTS `phones`;
CREATE TABLE `phones` (
  `extension` varchar(100) DEFAULT NULL,
  `server_ip` varchar(15) NOT NULL,
  `fullname` varchar(50) DEFAULT NULL,
  `conf_secret` varchar(100) DEFAULT 'test',
  `active` enum('Y','N') DEFAULT NULL,
  `protocol` enum('SIP','PJSIP','Zap','IAX2','EXTERNAL') DEFAULT 'SIP',
  UNIQUE KEY `extenserver` (`extension`,`server_ip`)
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
LOCK TABLES `phones` WRITE;
INSERT INTO `phones` VALUES ('cc100','10.0.0.1','Ann \'A\' O''Neil','test','Y','SIP'),
('cc101','10.0.0.1','B; -- x\n','k8-Fuchsbau-71','N','PJSIP'),
('cc101','10.0.0.2','again','other','Y','SIP'),
('gs102','10.0.0.1',NULL,'k8-Fuchsbau-71','Y','SIP'),
('ext','10.0.0.1','x','k8-Fuchsbau-71','Y','EXTERNAL');
UNLOCK TABLES;
DELIMITER ;;
CREATE TRIGGER t BEFORE INSERT ON phones FOR EACH ROW BEGIN SET @a = 'it'; END ;;
DELIMITER ;
INSERT INTO `vicidial_server_carriers` (`carrier_id`, `account_entry`, `active`) VALUES
('TELCO','[telco]\r\ntype=friend\r\nhost=203.0.113.9 ; main\r\nport=5070\r\nsecret=x\r\n','Y'),
('NAMED','host=sip.carrier.example','Y'),
('OLD','host=203.0.113.77','N'),
('DYN','host=dynamic','Y');
-- Dump completed
"""

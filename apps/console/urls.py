"""Addresses of this door."""

from django.urls import path

from apps.console import (
    credentials_test,
    devices,
    events,
    extensions,
    people,
    registrations,
    session,
    settings_page,
    sites,
    strangers,
    traces,
    trunk_uplink,
    trunks,
)

app_name = "console"
urlpatterns = [
    path("", registrations.registrations, name="registrations"),
    path("registrations.csv", registrations.export, name="registrations_export"),
    path("registrations/drop/", registrations.drop, name="registrations_drop"),
    path("extensions/", extensions.index, name="extensions"),
    path("extensions/new/", extensions.create, name="extension_create"),
    path("extensions/<uuid:extension_id>/", extensions.show, name="extension"),
    path("extensions/<uuid:extension_id>/edit/", extensions.edit, name="extension_edit"),
    path("extensions/<uuid:extension_id>/enable/", extensions.enable, name="extension_enable"),
    path("extensions/<uuid:extension_id>/disable/", extensions.disable, name="extension_disable"),
    path("extensions/<uuid:extension_id>/delete/", extensions.delete, name="extension_delete"),
    path("extensions/<uuid:extension_id>/devices/new/", devices.create, name="device_create"),
    path("devices/<uuid:peer_id>/password/", devices.rotate, name="device_rotate"),
    path("devices/<uuid:peer_id>/edit/", devices.edit, name="device_edit"),
    path("devices/<uuid:peer_id>/delete/", devices.delete, name="device_delete"),
    path("devices/<uuid:peer_id>/test/", credentials_test.try_out, name="credentials_test"),
    path("devices/<uuid:peer_id>/trace/", traces.show, name="trace"),
    path("devices/<uuid:peer_id>/trace/start/", traces.start, name="trace_start"),
    path("devices/<uuid:peer_id>/trace/stop/", traces.stop, name="trace_stop"),
    path("devices/<uuid:peer_id>/trace/messages.txt", traces.text, name="trace_text"),
    path("devices/<uuid:peer_id>/trace/messages.pcap", traces.capture, name="trace_capture"),
    path("trunks/", trunks.index, name="trunks"),
    path("trunks/new/", trunks.create, name="trunk_create"),
    path("trunks/<uuid:trunk_id>/", trunks.show, name="trunk"),
    path("trunks/<uuid:trunk_id>/addresses/", trunks.address_add, name="trusted_address_add"),
    path("trunks/<uuid:trunk_id>/delete/", trunks.delete, name="trunk_delete"),
    path(
        "trunks/<uuid:trunk_id>/addresses/<uuid:address_id>/remove/",
        trunks.address_remove,
        name="trusted_address_remove",
    ),
    path("trunks/<uuid:trunk_id>/registration/", trunk_uplink.edit, name="trunk_registration"),
    path(
        "trunks/<uuid:trunk_id>/registration/switch/", trunk_uplink.switch, name="trunk_registration_switch"
    ),
    path("trunks/<uuid:trunk_id>/registration/retry/", trunk_uplink.retry, name="trunk_registration_retry"),
    path(
        "trunks/<uuid:trunk_id>/registration/remove/", trunk_uplink.remove, name="trunk_registration_remove"
    ),
    path("sites/", sites.index, name="sites"),
    path("events/", events.index, name="events"),
    path("events/strangers/", strangers.index, name="strangers"),
    path("settings/", settings_page.index, name="settings"),
    path("settings/password/", settings_page.password, name="password"),
    path("settings/domain/", settings_page.domain, name="domain"),
    path("settings/blocked/", settings_page.blocked_source_add, name="blocked_source_add"),
    path(
        "settings/blocked/<uuid:source_id>/remove/",
        settings_page.blocked_source_remove,
        name="blocked_source_remove",
    ),
    path("people/", people.index, name="people"),
    path("people/<uuid:user_id>/disable/", people.disable, name="person_disable"),
    path("people/<uuid:user_id>/enable/", people.enable, name="person_enable"),
    path("people/<uuid:user_id>/password/", people.password, name="person_password"),
    path("sign-in/", session.SignIn.as_view(), name="sign_in"),
    path("sign-out/", session.SignOut.as_view(), name="sign_out"),
]

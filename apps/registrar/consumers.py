from channels.consumer import AsyncConsumer


class RegistrarConsumer(AsyncConsumer):
    pass

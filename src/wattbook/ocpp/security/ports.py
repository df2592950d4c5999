"""What security asks of others."""

from typing import Protocol

from wattbook.ocpp.messages import ContractCertificate, ContractCertificateAnswer


class ContractProvider(Protocol):
    """A pool of contract certificates: a mobility operator's, or a clearing house's."""

    async def contract(self, request: ContractCertificate) -> ContractCertificateAnswer:
        """What a vehicle's request for a contract certificate is answered.

        Raises:
            Unavailable: the pool does not answer.
        """
        ...

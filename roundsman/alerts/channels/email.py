"""E-mail, by SMTP with the standard library: one message to all recipients, as text and as HTML.

A message cannot be edited, so the end of an alert is an answer to it. What belongs to one alert names one common
ancestor in `References`, though nobody ever gets that: so a higher level and the end lie below their alert, whichever
of them a mailbox has got. A message that is sent once more has the same Message-ID, by which mail servers drop repeats.
"""

import base64
import logging
import smtplib
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from uuid import uuid4

from roundsman.alerts.channels.answers import scrub, secret_parts
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault, Receipt, digest
from roundsman.alerts.channels.mail_body import mail_html, mail_text
from roundsman.alerts.message import Message, cut
from roundsman.alerts.rate import Rate
from roundsman.answers import connection_words
from roundsman.clock import Clock
from roundsman.deadline import deadline
from roundsman.logs import fields
from roundsman.repositories.alerts import Severity
from roundsman.repositories.notifications import NotificationEvent

LONGEST_SUBJECT = 200
LONGEST_DOMAIN = 40
"""In a Message-ID. A longer line would be folded, which an id does not survive everywhere."""

LOGIN_REFUSED = frozenset({530, 534, 535, 538})
"""A login is missing, too weak or wrong (RFC 4954, 6), at whatever step the server says so."""
TOO_LARGE = frozenset({523, 552})

_ON_THE_WIRE = SMTP.clone(cte_type="7bit")
"""Every server takes that, whatever it can."""
_Refused = Mapping[str, tuple[int, bytes]]
"""The recipients that were refused, and how."""

log = logging.getLogger(__name__)


class Security(StrEnum):
    """How the connection is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class EmailChannel:
    """Delivers to some mailboxes through one mail server."""

    can_edit = False

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        host: str,
        port: int,
        security: Security,
        sender: str,
        recipients: tuple[str, ...],
        user: str | None = None,
        password: str | None = None,
        timeout: timedelta = HTTP_TIMEOUT,
    ) -> None:
        self.name = name
        self.identity = digest("email", host, str(port), security, sender, *recipients, "", user, password)
        self.rates = (Rate(f"email {self.identity}", timedelta(seconds=1)),)
        self._clock = clock
        self._place = (host, port)
        self._security = security
        self._sender = sender
        self._recipients = recipients
        self._login = (user, password) if user and password else None
        self._secrets = _secrets(user, password)
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"EmailChannel({self.name!r})"

    def send(self, message: Message) -> Receipt:
        return self._deliver(message, None)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        return self._deliver(message, receipt)

    def _deliver(self, message: Message, told: Receipt | None) -> Receipt:
        mail = self._mail(message, told)
        fault: DeliveryError | None = None
        refused: _Refused = {}
        try:
            refused = self._hand_over(mail.as_bytes())
        except (OSError, ValueError) as error:  # everything of smtplib is an OSError
            fault = self._fault(error)
        if fault is not None:  # raised out here, so that it carries no exception of the library along
            raise fault
        words = f"accepted by {self._place[0]} for {len(self._recipients) - len(refused)}"
        if refused:
            why = self._refusals(refused)
            words = f"{words} of {len(self._recipients)} recipients; refused: {why}"
            log.warning("%s took a message, but not for everybody: %s", self.name, why, extra=fields(CHANNEL=self.name))
        keys = {"id": str(mail["Message-ID"]), "subject": str(mail["Subject"])}
        return Receipt(words, keys)

    def _hand_over(self, data: bytes) -> _Refused:
        """Returns the recipients that were refused, if not all of them were."""
        tls = ssl.create_default_context() if self._security is not Security.NONE else None
        session = _Session(self._place[0], tls if self._security is Security.TLS else None, self._timeout)
        try:
            with deadline(3 * self._timeout, lambda: session.sock or session.reached):
                code, said = session.connect(*self._place)
                if code != 220:
                    raise smtplib.SMTPConnectError(code, said)
                if self._security is Security.STARTTLS:
                    session.starttls(context=tls)
                if self._login is not None:
                    session.login(*self._login)
                refused = session.sendmail(self._sender, self._recipients, data)
                with suppress(OSError):  # it has our message, whatever becomes of the farewell
                    session.quit()
        finally:
            session.close()
        return refused

    def _fault(self, error: OSError | ValueError) -> DeliveryError:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            codes = [code for code, _ in error.recipients.values()]
            fault = Fault.REJECTED if all(code >= 500 for code in codes) else Fault.TEMPORARY
            if LOGIN_REFUSED.intersection(codes):
                fault = Fault.CHANNEL
            return DeliveryError(fault, f"The mail server took it for nobody: {self._refusals(error.recipients)}")
        if isinstance(error, smtplib.SMTPResponseException):
            words = self._words(error.smtp_code, error.smtp_error)
            return DeliveryError(_judged(error), f"The mail server answered {words}")
        if isinstance(error, smtplib.SMTPNotSupportedError):
            offered = "STARTTLS" if self._security is Security.STARTTLS and "STARTTLS" in str(error) else "a login"
            return DeliveryError(Fault.CHANNEL, f"The mail server does not offer {offered}; change its settings here")
        if isinstance(error, smtplib.SMTPServerDisconnected) and not (error.__cause__ or error.__context__):
            return DeliveryError(Fault.TEMPORARY, "The mail server ended the connection")
        if type(error) is smtplib.SMTPException:
            return DeliveryError(Fault.CHANNEL, "The mail server offers no kind of login that is known here")
        return DeliveryError(Fault.TEMPORARY, f"The mail server was not reached: {connection_words(error)}")

    def _refusals(self, refused: _Refused) -> str:
        return cut("; ".join(f"{who}: {self._words(*answer)}" for who, answer in sorted(refused.items())), 500)

    def _words(self, code: int, said: bytes | str) -> str:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return f"{code} {scrub(text, self._secrets)}".strip() if code > 0 else "what is no SMTP"

    def _mail(self, message: Message, told: Receipt | None) -> EmailMessage:
        told_id, told_subject = (told.keys.get("id"), told.keys.get("subject")) if told else (None, None)
        ancestor = self._message_id(message.incident) if message.incident else None
        mail = EmailMessage(policy=_ON_THE_WIRE)
        mail["From"] = Address("Roundsman", addr_spec=self._sender)
        mail["To"] = ", ".join(self._recipients)
        # A mailbox that goes by the subject as well finds the end below its alert, too
        subject = cut(f"{message.symbol} {message.title}", LONGEST_SUBJECT)
        mail["Subject"] = f"Re: {told_subject.removeprefix('Re: ')}" if told_subject else subject
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = self._message_id(message.id or uuid4().hex)
        if told_id or ancestor:
            mail["In-Reply-To"] = told_id or ancestor
            mail["References"] = " ".join(each for each in (ancestor, told_id) if each)
        mail["Auto-Submitted"] = "auto-generated"  # no answer of somebody on holiday (RFC 3834)
        if message.event is NotificationEvent.FIRING and message.severity in (Severity.CRITICAL, Severity.HIGH):
            mail["Importance"] = "high"
        mail.set_content(mail_text(message))
        mail.add_alternative(mail_html(message), subtype="html")
        return mail

    def _message_id(self, what: str) -> str:
        domain = self._sender.rpartition("@")[2]
        domain = domain if len(domain) <= LONGEST_DOMAIN else "roundsman.invalid"
        return f"<{digest(self.identity, what)[:24]}@{domain}>"


class _Session(smtplib.SMTP):
    """An SMTP session whose socket is known from the first moment, so that it can be ended at any."""

    def __init__(self, host: str, tls: ssl.SSLContext | None, timeout: timedelta) -> None:
        # The library would ask the name service who we are, for as long as that takes
        own = socket.gethostname()
        super().__init__(local_hostname=own if "." in own else "[127.0.0.1]", timeout=timeout.total_seconds())
        self._host = host  # the name that STARTTLS verifies
        self._tls = tls
        self.reached: socket.socket | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self.reached = socket.create_connection((host, port), timeout)
        if self._tls is None:
            return self.reached
        try:
            self.reached = self._tls.wrap_socket(self.reached, server_hostname=host, do_handshake_on_connect=False)
            self.reached.do_handshake()
        except BaseException:
            self.reached.close()
            raise
        return self.reached


def _judged(error: smtplib.SMTPResponseException) -> Fault:
    code = error.smtp_code
    if code in LOGIN_REFUSED:
        return Fault.CHANNEL
    if code < 500:
        return Fault.TEMPORARY
    if isinstance(error, smtplib.SMTPDataError) or code in TOO_LARGE:
        return Fault.REJECTED
    if isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPAuthenticationError):
        return Fault.CHANNEL  # nothing of this sender will ever be taken
    return Fault.TEMPORARY  # a server that refuses everybody at its door may be in better order tomorrow


def _secrets(user: str | None, password: str | None) -> tuple[str, ...]:
    """In all the forms in which they are sent, as a server may quote what it got."""
    sent = [f"\0{user}\0{password}", password] if user and password else []
    return secret_parts(password, *(base64.b64encode(each.encode()).decode() for each in sent if each))

"""What the errors of Amazon SQS mean to an administrator.

Of the service's own words only codes are repeated: those about a wrong signature hold the whole signed request.
"""

from collections.abc import Mapping
from typing import Any

_CREDENTIALS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this machine"
_ADDRESS = "check SQS_QUEUE_URL, AWS_REGION and AWS_ENDPOINT_URL_SQS, and the way there"

REFUSALS = frozenset({
    "InvalidParameterValue", "InvalidMessageContents", "InvalidAttributeValue", "BatchRequestTooLong",
    "ReceiptHandleIsInvalid", "MessageNotInflight",
})  # fmt: skip
"""About what was sent, not about the queue: another entry, or another call, may pass."""

_DENIALS = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "OptInRequired", "UnauthorizedOperation")
DENIALS = frozenset(_DENIALS)
"""This call is not allowed; others may be."""

_OF_CODES = {
    "does not exist": (
        "check SQS_QUEUE_URL and AWS_REGION",
        ("NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"),
    ),
    "denies access": (
        "allow sqs:SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility and GetQueueAttributes",
        _DENIALS,
    ),
    "does not know the credentials": (
        _CREDENTIALS,
        ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "MissingAuthenticationToken"),
    ),
    "refuses the signature": (
        f"{_CREDENTIALS}; the clock of this machine must be right, too",
        ("SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "InvalidSecurity"),
    ),
    "says that the credentials are over": (
        "renew AWS_SESSION_TOKEN with its key, or use the role of this machine",
        ("ExpiredToken", "ExpiredTokenException"),
    ),
    "is throttled": (
        "fewer calls pass just now; a FIFO queue takes more in its high throughput mode",
        (
            "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
            "RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "KmsThrottled",
        ),
    ),
    "has as many messages in flight as it may have": (
        "finish some, or give messages to fewer receivers",
        ("OverLimit",),
    ),
    "cannot use its key for encryption": (
        "allow kms:GenerateDataKey and kms:Decrypt on the key of the queue",
        ("KmsAccessDenied", "KmsDisabled", "KmsInvalidState", "KmsNotFound", "KmsOptInRequired", "KmsInvalidKeyUsage"),
    ),
}  # fmt: skip
_MEANINGS = {code: (means, fix) for means, (fix, codes) in _OF_CODES.items() for code in codes}

_OF_CONNECTIONS = {
    "NoCredentialsError": ("no AWS credentials were found", _CREDENTIALS),
    "PartialCredentialsError": ("the AWS credentials are incomplete", _CREDENTIALS),
    "CredentialRetrievalError": ("the AWS credentials could not be fetched", _CREDENTIALS),
    "MetadataRetrievalError": ("the AWS credentials could not be fetched", _CREDENTIALS),
    "ProfileNotFound": ("the AWS profile does not exist", "check AWS_PROFILE"),
    "NoRegionError": ("no region is known", "set AWS_REGION"),
    "EndpointConnectionError": ("it was not reached", _ADDRESS),
    "ConnectionError": ("it was not reached", _ADDRESS),
    "ConnectTimeoutError": ("it did not answer in time", _ADDRESS),
    "ReadTimeoutError": ("it did not answer in time", _ADDRESS),
    "ConnectionClosedError": ("it closed the connection", _ADDRESS),
    "ProxyConnectionError": ("the proxy was not reached", "check HTTPS_PROXY"),
    "SSLError": ("its certificate is not trusted", "check AWS_CA_BUNDLE, and the clock of this machine"),
    "ValueError": ("its address is wrong", _ADDRESS),
}


def code_of(response: Mapping[str, Any]) -> str:
    """The bare code: `AWS.SimpleQueueService.NonExistentQueue` and `NonExistentQueue` mean the same."""
    code = str(response.get("Error", {}).get("Code", "")).rpartition(".")[2].rpartition("#")[2]
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    return code if code.isalnum() and not code.isdigit() else f"status {status}"


def call_fault(name: str, code: str) -> str:
    """One sentence about a call that the service did not carry out."""
    if code in _MEANINGS:
        means, fix = _MEANINGS[code]
        return f"The queue {name} of SQS {means}: {fix}."
    return f"The queue {name} of SQS cannot serve: it answered {code or 'with an error'}."


def connection_fault(name: str, error: str) -> str:
    """One sentence about a call that never came to an answer; `error` is the name of the library's exception."""
    what, fix = _OF_CONNECTIONS.get(error, (f"the call failed ({error})", _ADDRESS))
    return f"The queue {name} of SQS cannot serve: {what}; {fix}."

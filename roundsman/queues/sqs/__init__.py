"""The queue on Amazon SQS. Importing it costs nothing: boto3 comes with the first call."""

from roundsman.queues.sqs.client import SqsPlace
from roundsman.queues.sqs.queue import SqsQueue

__all__ = ["SqsPlace", "SqsQueue"]

"""Our own sentences among errors and ends, in Vietnamese.

Errors are stored as they happen, in English, as logs and commands show them. What is ours among them is known by its
words and told in the reader's language; what a service, a library or a job says itself stays as it came.
"""

import re
from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "no answer in time": "không trả lời kịp",
    "its host name is unknown here; check the name service": "không tìm thấy tên máy chủ; hãy kiểm tra DNS",
    "its certificate is not trusted": "chứng chỉ không đáng tin cậy",
    "no TLS connection": "không kết nối TLS được",
    "connection refused": "kết nối bị từ chối",
    "connection reset": "kết nối bị ngắt",
    "what answers there does not speak HTTP": "máy chủ ở đó không dùng HTTP",
    "the answer broke off": "câu trả lời bị đứt giữa chừng",
}

_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"Pancake was not reached: (?P<words>.+?)\.?", "Không kết nối được với Pancake: {words}"),
        (r"Pancake's answer is larger than (?P<size>\d+) MiB\.?", "Câu trả lời của Pancake lớn hơn {size} MiB"),
        (r"Pancake's answer is no JSON object, or was cut off\.?",
         "Câu trả lời của Pancake không phải JSON hoặc bị cắt cụt"),
        (r"Pancake's answer holds no list of (?P<name>\w+)\.?", "Câu trả lời của Pancake không có danh sách {name}"),
        (r"Pancake's answer holds no statistics of users\.?", "Câu trả lời của Pancake không có thống kê nhân viên"),
        (r"Pancake refused the request(?P<said>.*?)\.?", "Pancake từ chối yêu cầu{said}"),
        (r"Pancake answered (?P<said>HTTP .*?) \(redirects are not followed\)(?P<more>.*?)\.?",
         "Pancake trả lời {said} (không đi theo chuyển hướng){more}"),
        (r"Pancake answered (?P<said>HTTP .*?)\.?", "Pancake trả lời {said}"),
        (r"There was no time left to ask Pancake\.?", "Không còn thời gian để hỏi Pancake"),
        (r"The list of pages could not be had a moment ago\.?", "Vừa rồi không lấy được danh sách trang"),
        (r"its process was killed by (?P<signal>SIG\w+) without an answer",
         "tiến trình bị dừng bởi {signal} khi chưa có kết quả"),
        (r"its process ended with status (?P<status>\d+) without an answer",
         "tiến trình kết thúc với mã {status} khi chưa có kết quả"),
    )
)  # fmt: skip


_RESOLUTIONS: Mapping[str, str] = {
    "the page is synced no more": "trang không còn được đồng bộ",
    "nobody is told of its failures any more": "lỗi của tác vụ này không còn được nhắc",
    "the counter is watched no more": "số liệu này không còn được theo dõi",
    "it has brought nothing for so long that nothing else is known to be usual": "đã lâu không có kết quả nào",
}


def error_vi(error: str) -> str:
    """An error as a Vietnamese reader gets it."""
    for pattern, text in _SENTENCES:
        if (found := pattern.fullmatch(error)) is not None:
            parts = {name: _WORDS.get(value, value) for name, value in found.groupdict().items()}
            return text.format(**parts)
    return error


def resolution_vi(resolution: str) -> str:
    """Why an alert is over; other reasons than ours stay as they are."""
    by = resolution.removeprefix("resolved by ")
    return f"{by} đã xử lý" if by != resolution else _RESOLUTIONS.get(resolution, resolution)

"""The made-up shops of the sample: pages, people and what they say. Every name is invented, and the telephone
numbers (country code, then zeros) belong to no real range."""

import random
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """One page."""

    page_id: str
    name: str
    username: str | None
    is_synced: bool | None = True
    mail_domain: str | None = None
    """Only Messenger gives customers an address."""

    def document(self, number: int) -> Document:
        """Its document in `fb_pages`. The tokens are there because real exports hold them; nobody may keep them."""
        return {
            "_id": {"$oid": f"{number:024x}"},
            "pageId": self.page_id,
            "pageName": self.name,
            "pageUsername": self.username,
            "isSync": self.is_synced,
            "accessToken": f"sample-access-token-{number}",
            "pageAccessToken": f"sample-page-access-token-{number}",
            "panCakeData": {"id": self.page_id, "name": self.name},
        }


FLOWERS = Shop("1083412906251", "Tiệm Hoa Mộc Miên", "tiemhoamocmien", mail_domain="facebook.com")
POTTERY = Shop("1092255410387", "Gốm Nhà Sứ", None, None, mail_domain="facebook.com")
SILK = Shop("wa_c.us@840000000101", "Lụa Vân", None)
TEA = Shop("zl_5550001234567", "Trà Sương Núi", "trasuongnui")
DRESSES = Shop("igo_17840000000019", "Áo Dài Én Nhỏ", "aodai.ennho")
CLOSED = Shop("1071999000111", "Kho Cũ", "khocu", False, mail_domain="facebook.com")
SHOPS = (FLOWERS, POTTERY, SILK, TEA, DRESSES, CLOSED)
OPEN_SHOPS = SHOPS[:-1]

STAFF = ("Lan Anh", "Minh Khôi", "Thu Hà", "Quốc Bảo")
_FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Võ", "Đặng", "Bùi", "Đỗ")
_MIDDLE = ("Thị", "Văn", "Ngọc", "Đức", "Thanh", "Khánh", "Gia", "Hải")
_GIVEN = ("Mai", "Sơn", "Trúc", "Phượng", "Dũng", "Hạnh", "Tú", "Yến", "Khoa", "Ngân", "Đạt", "Uyên")

QUESTIONS = (
    "Shop ơi, mẫu này còn hàng không ạ?",
    "Cho em hỏi giá bao nhiêu vậy shop?",
    "Chị ship về Đà Nẵng mất mấy ngày em?",
    "Mình đặt hôm qua mà chưa thấy ai gọi 😢",
    "Có size M màu xanh lá không bạn?",
    "Em muốn đổi sang mẫu khác được không ạ",
    "Alo shop, có ai không?",
)
ANSWERS = (
    "<div>Dạ còn hàng ạ, mình cần mẫu nào để em kiểm tra?</div>",
    "<div>Dạ em gửi chị bảng giá nhé 🌸</div>",
    "<div>Dạ ship 2-3 ngày ạ.</div>",
    "<div>Em đã ghi nhận, lát nữa bên em gọi lại mình nha.</div>",
)
BOT_ANSWERS = (
    "<div>Cảm ơn bạn đã nhắn tin! Shop sẽ trả lời trong ít phút.</div>",
    "<div>Xin chào, mình là trợ lý ảo của shop.</div>",
)


def person(rng: random.Random) -> str:
    """An invented Vietnamese name."""
    return f"{rng.choice(_FAMILY)} {rng.choice(_MIDDLE)} {rng.choice(_GIVEN)}"

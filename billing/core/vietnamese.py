"""Vietnamese syllables, and texts written in the encodings VNI or TCVN3 that were read in a Western code page.

Before Unicode, programs wrote Vietnamese in VNI-Windows (a letter and a mark: `Nguyeãn Vaên`) or in TCVN3 (`NguyÔn`).
In a Western code page most bytes of both are Latin letters, so that only the spelling shows the encoding.
Source: TCVN 5712:1993, table VN3, for the bytes of TCVN3. VNI-Windows has no standard; the table is the usual one.
"""

import re
import unicodedata

_ACUTE, _GRAVE, _HOOK, _TILDE, _DOT = "\u0301", "\u0300", "\u0309", "\u0303", "\u0323"
_CIRCUMFLEX, _BREVE, _HORN = "\u0302", "\u0306", "\u031b"
_TONE = re.compile(f"(?<=[aeiouy{_CIRCUMFLEX}{_BREVE}{_HORN}])[{_ACUTE}{_GRAVE}{_HOOK}{_TILDE}{_DOT}]")

_ONSETS = "b|c|ch|d|đ|g|gh|gi|h|k|kh|l|m|n|ng|ngh|nh|p|ph|q|qu|r|s|t|th|tr|v|x"
_RHYMES = """
    a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây
    e ec em en eng eo ep et ê êch êm ên ênh êp êt êu
    i ia ich im in inh ip it iu iêc iêm iên iêng iêp iêt iêu
    o oc oi om on ong op ot ooc oong oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt
    oe oen oeo oet ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt
    u ua uc ui um un ung up ut uân uâng uât uây uê uên uênh uêch uơ uôc uôi uôm uôn uông uôt
    uy uya uych uyn uynh uyp uyt uyu uyên uyêt ư ưa ưc ưi ưm ưn ưng ưt ưu ươc ươi ươm ươn ương ươp ươt ươu
    y yêm yên yêng yêt yêu
"""
_SYLLABLE = re.compile(f"(?:{_ONSETS})?(?:{'|'.join(_RHYMES.split())})")
_STOPPED = re.compile("(?:ch|[cpt])$")

_VNI_MARKS = {
    "ù": _ACUTE,
    "ø": _GRAVE,
    "û": _HOOK,
    "õ": _TILDE,
    "ï": _DOT,
    "â": _CIRCUMFLEX,
    "ê": _BREVE,
    "á": _CIRCUMFLEX + _ACUTE,
    "à": _CIRCUMFLEX + _GRAVE,
    "å": _CIRCUMFLEX + _HOOK,
    "ã": _CIRCUMFLEX + _TILDE,
    "ä": _CIRCUMFLEX + _DOT,
    "é": _BREVE + _ACUTE,
    "è": _BREVE + _GRAVE,
    "ú": _BREVE + _HOOK,
    "ü": _BREVE + _TILDE,
    "ë": _BREVE + _DOT,
}
_VNI_LETTERS = dict(zip("ôöñæóòî", "ơưđỉĩịỵ", strict=True))
_VNI = re.compile(f"([aeouyôö])([{''.join(_VNI_MARKS)}])|[{''.join(_VNI_LETTERS)}]")

_TCVN3 = str.maketrans(
    dict(
        zip(
            "¡¢£¤¥¦§¨©ª«¬\xad®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ",
            "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
            strict=True,
        )
    )
)


def is_syllable(word: str) -> bool:
    """Whether a word is spelled as one Vietnamese syllable, with at most one tone in any place."""
    letters = unicodedata.normalize("NFD", word.lower())
    tones = _TONE.findall(letters)
    plain = unicodedata.normalize("NFC", _TONE.sub("", letters))
    if len(tones) > 1 or not _SYLLABLE.fullmatch(plain):
        return False
    return not _STOPPED.search(plain) or not tones or tones[0] in (_ACUTE, _DOT)


def is_read_from_vni_or_tcvn3(text: str) -> bool:
    """Whether a text is VNI or TCVN3 read in a Western code page: `NGUYEÃN VAÊN A`, `TrÇn ThÞ Hoa`.

    It is, if a word is no Vietnamese syllable and every word of the text decoded is one. Names of other languages stay.
    A text whose words are syllables in both readings (`Hoà Bích Sôn`) is not recognised.
    """
    if text.isascii() or max(text) > "\xff" or _are_syllables(text):
        return False
    return _are_syllables(_decode_vni(text)) or _are_syllables(text.translate(_TCVN3))


def _are_syllables(text: str) -> bool:
    return all(len(word) == 1 or is_syllable(word) for word in text.split())


def _decode_vni(text: str) -> str:
    return _VNI.sub(_decode_vni_letter, text.lower())


def _decode_vni_letter(found: re.Match[str]) -> str:
    base, mark = found[1], found[2]
    if base is None:
        return _VNI_LETTERS[found[0]]
    return unicodedata.normalize("NFC", _VNI_LETTERS.get(base, base) + _VNI_MARKS[mark])

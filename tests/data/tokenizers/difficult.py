# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strings that tokenizers get wrong. Written for this project; no unassigned code points, no lone surrogates."""
import random

LANGUAGES = [
    "The kettle hums; we'll wait, won't we? They've said it's theirs, I'd say you're right, I'm sure.",
    "DON'T SHOUT: WE'LL HEAR YOU'RE HERE, IT'S FINE, I'VE I'D I'M. 'Tis 's 'S '\u017f 'll 'LL 'lL",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. STRASSE straße ẞ",
    "L’été, où l'élève naïf mangea un œuf près de la forêt: ça coûte 3,50 €.",
    "Zażółć gęślą jaźń; pchnąć w tę łódź jeża lub ośm skrzyń fig.",
    "İstanbul'da ılık bir IŞIK; iğne, ığdır, İİıı.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Ο Σίσυφος έσπρωχνε την πέτρα. ΟΔΟΣ ΣΟΦΟΣ σοφός",
    "Съешь ещё этих мягких булок, да выпей чаю. ЙЁ йё",
    "Ґанок, їжак, єнот і ще щось.",
    "שלום עולם, מה שלומך? שָׁלוֹם",
    "مرحبا بالعالم، كيف حالك؟ السَّلَامُ عَلَيْكُمْ ٠١٢٣٤٥٦٧٨٩",
    "می\u200cخواهم به خانه بروم؛ کتاب\u200cها",
    "नमस्ते दुनिया, क्षत्रिय ज्ञान १२३ हिन्दी",
    "আমি বাংলায় গান গাই ৪৫৬",
    "தமிழ் மொழி அழகானது",
    "สวัสดีชาวโลก ฉันชอบกินข้าว ๑๒๓",
    "ສະບາຍດີ ໂລກ", "សួស្តីពិភពលោក", "မင်္ဂလာပါ ကမ္ဘာ", "გამარჯობა მსოფლიო ᲒᲐᲛᲐᲠᲯᲝᲑᲐ", "Բարեւ աշխարհ",
    "ሰላም ልዑል ፩፪፫", "བཀྲ་ཤིས་བདེ་ལེགས", "ᏣᎳᎩ ꮳꮃꭹ", "ߒߞߏ", "ᠮᠣᠩᠭᠣᠯ\u180eᠠ",
    "你好，世界！今天天气很好。第１２３章", "這是繁體中文：龍龜鬱", "これは日本語のテストです。カタカナ、ｶﾀｶﾅ、ひらがな",
    "안녕하세요 세계! 한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165", "Tiếng Việt: đường, nghiêng, ước",
    "Tie\u0302\u0301ng Vie\u0323\u0302t phân rã", "mixed漢字andかなwith한글и кириллица",
    "𐍈𐌰𐌹 𐐀𐐨 𝒳𝓎𝔷 𝟘𝟙𝟚 𠜎𠜱𡿺 𓀀𓂀",
]
SYMBOLS = [
    "👍 👍🏽 👩‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 1️⃣ ☠️ ☠ 🫠", "😀😃😄😁 text😀text 😀 😀",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "👩🏿‍🚀👩🏿‍🚀", "e\u0301 é e\u0301\u0323 a\u0308o\u0308u\u0308 \u0301alone",
    "Z\u0351\u036b\u0343a\u0317\u032c\u0359l\u0334\u0335g\u0321\u0322o\u0340\u0341",
    "ﬁ ﬂ ﬀ ﬆ Ⅻ ⅻ ½ ¼ ² ³ ¹ ① ⓐ Ⓐ ㈱ ㎏ ℃ ™ ﷺ", "ＦＵＬＬ　ｗｉｄｔｈ！", "Å Å Ω Ω K K", "µ μ ª º ß ſ ŉ ǆ ǅ", "x²+y³=z¹ H₂O",
    "∀x∈ℝ: ∃y≤x ∧ ¬(x≠y) ⇒ ∑∏∫√∞", "€£¥₹₿$¢ 100$ $100 50%", "“quotes” ‘single’ «guillemets» „low“ ‹a›",
    "dash - – — ― … ellipsis...",
    "\ufeffbom first", "mid\ufeffbom", "\ufffd replacement",
    "soft\u00adhyphen zero\u200bwidth \u200ejoin\u200d\u200cer", "\u202eright to left\u202c \u2067iso\u2069",
    "\ue000private\uf8ff", "\u2028line\u2029para\u0085nel", "\x00nul \x01\x02\x1b[0m\x7f del",
    "\x1c\x1d\x1e\x1f separators", "\x0b\x0c vertical",
]
BLANKS = [
    "", " ", "  ", "   ", "    x", "x    ", " x ", "a  b   c    d", "\t", "\t\tx", "x\t y \t z", "\n", "\n\n",
    "\n\n\nx\n", "a\nb\r\nc\rd",
    "  \n  \n", " \n", "\n ", "x \n y", "a\u00a0b", "\u00a0", "\u00a0\u00a0x", "\u3000全角\u3000空白",
    "\u2000\u2001\u2002\u2003\u2009\u200a\u202f\u205fx",
    "\u1680ogham", "trailing ", "trailing\n", "trailing  \n\n", "▁", "▁▁x", "a▁b", " ▁ x", "##", "##x", "a ##b",
    "Ġ Ċ Ġthe", "\r", "\r\r\n",
    "x" + " " * 40 + "y", "\n" * 20, "\t" * 9 + "deep", "a" + "\u00a0" * 5 + "b", "if x:\n    if y:\n\t\treturn  z\n",
]
DIGITS = ["0", "7 ", "12", "123", "1234", "12345678901234567890", "3.14159", "1,000,000.00", "-42", "+1 (555) 010-9999",
          "0x1F 0b101 1e-9",
          "2024-02-29T23:59:59Z", "٣٤٥٦", "१२३४५", "１２３４", "a1b22c333d4444", "v1.2.3-rc4", "12 345 678", "½⅓¾", "ⅣⅨ"]
CODE = [
    "def f(x: int) -> int:\n    return x**2  # square\n", "#include <vector>\nint main(){ return 0; }\n",
    "for(;;){i++;--j;a<<=2;b>>=3;}",
    "std::map<std::string, std::vector<int>> m{{\"a\", {1, 2}}};", "{\"key\": [1, 2.5, null, true], \"k2\": \"v\\n\"}",
    "<div class=\"a b\">&nbsp;&amp;</div>",
    "SELECT * FROM t WHERE a='b' AND c<>\"d\";", "https://example.org/a?b=c&d=%20e#f", "user.name+tag@example.co.uk",
    "C:\\Users\\me\\file.txt /usr/lib",
    "camelCaseWord PascalCase snake_case_word SCREAMING_CASE kebab-case", "getHTTPResponseCode XMLParser iPhone",
    "!!! ??? ... ,,, ;;; :::", "~`!@#$%^&*()-_=+[]{}|;:'\",.<>/?",
    "\\n is not \n, \\u0041", "a=b;c==d;e===f;g!=h;i<=j", "==========", "----------\n", "/* c */ // d",
    "\"\"\"doc\"\"\"", "```py\nx\n```", "\\begin{a}$x_{i}^2$\\end{a}",
    "isn't wasn't do not can 't n't 've 're . , ! ?", "it 's a \" ' \" test . Really ? Yes !",
]
ADDED = [
    "<s>", "</s>", "<s></s>", "<unk>", "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|",
    "<|begin_of_text|>hello", "[CLS]", "[MASK] x [MASK]",
    "x[MASK]y", "  [MASK]  y", "[mask]", "<mask>", "a <mask> b", "a<mask>b", "a  <mask>  b", "<left>", "x   <left>   y",
    "<right>   y", "x\n\n<right>\n\ny", "word",
    "a word b", "aword wordb sword words word", "word-word_word word1 éword wordé", "NORM norm Norm", "xNORMx",
    "<|im_start|>user\nhi<|im_end|>\n", "<tool_call>x</tool_call>",
    "<long><longer><longest>", "<longes", "<bos><eos><pad>", "<left><right>", "<left> <right> <left>",
    "\u00a0<left>\u00a0", "<LEFT>", "<0x41><0x0A>", "ＮＯＲＭ", "éword", "<é>", "<e\u0301>",
]
LONG = ["a" * 300, "ab" * 150, "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen", "x" * 99, "x" * 100,
        "x" * 101, "é" * 100, "é" * 101, "漢" * 120, "🙂" * 60,
        "supercalifragilistic" * 8, "the" * 60, "0" * 200, "!" * 150, "的" * 33 + "a" * 33, "Aa" * 80, "_" * 90,
        "e" + "\u0301\u0323" * 40]


def strings():
    fixed = LANGUAGES + SYMBOLS + BLANKS + DIGITS + CODE + ADDED + LONG
    rng = random.Random(20240607)
    pieces = [p for s in LANGUAGES + SYMBOLS + DIGITS + CODE + ADDED for p in s.split(" ") if p]
    joints = [" ", " ", "  ", "\n", "\t", "", "", "\u00a0", " \n ", ".", ", ", "'s ", "\r\n", "\u2003", "-", "\u200d"]
    mixed = ["".join(rng.choice(pieces) + rng.choice(joints) for _ in range(rng.randint(2, 7))) for _ in range(70)]
    return list(dict.fromkeys(fixed + mixed))

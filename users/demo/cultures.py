"""Where invented people come from: their scripts, places and words."""

from __future__ import annotations

from dataclasses import dataclass

# Reserved by RFC 2606: a console with demonstration data can never write to a real mailbox.
EVERYWHERE = ("postbox.example", "mailhub.example", "inbox.example", "openmail.example")


@dataclass(frozen=True, slots=True)
class Place:
    """Where people live: ISO country, language tag, IANA time zone."""

    country: str
    locale: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Culture:
    """How people of one script are called. ``given`` and ``family`` hold ``native:latin`` words, or
    one word where the script is Latin. ``share``: their weight among all. ``native``: how many
    percent write their username in their own script."""

    script: str
    share: int
    native: int
    places: tuple[Place, ...]
    given: str
    family: str
    domains: tuple[str, ...]
    family_first: bool = False
    joint: str = "_"


CULTURES = (
    Culture(
        script="Han",
        share=270,
        native=55,
        places=(
            Place("CN", "zh-hans", "Asia/Shanghai"),
            Place("CN", "zh-hans", "Asia/Shanghai"),
            Place("CN", "zh-hans", "Asia/Urumqi"),
            Place("TW", "zh-hant", "Asia/Taipei"),
            Place("HK", "zh-hant", "Asia/Hong_Kong"),
            Place("SG", "zh-hans", "Asia/Singapore"),
        ),
        given="伟:wei 芳:fang 秀英:xiuying 敏:min 静:jing 丽:li 强:qiang 磊:lei 洋:yang "
        "艳:yan 勇:yong 军:jun 杰:jie 娟:juan 涛:tao 明:ming 超:chao 霞:xia 平:ping "
        "刚:gang 桂英:guiying 子轩:zixuan 浩然:haoran 雨桐:yutong 梓涵:zihan "
        "欣怡:xinyi 思远:siyuan 晓东:xiaodong 小明:xiaoming 佳怡:jiayi 嘉豪:jiahao "
        "志强:zhiqiang 建国:jianguo 婷婷:tingting 雪梅:xuemei 文博:wenbo 一诺:yinuo "
        "天宇:tianyu 若曦:ruoxi 俊熙:junxi",
        family="王:wang 李:li 张:zhang 刘:liu 陈:chen 杨:yang 黄:huang 赵:zhao 周:zhou 吴:wu "
        "徐:xu 孙:sun 朱:zhu 马:ma 胡:hu 郭:guo 林:lin 何:he 高:gao 梁:liang 郑:zheng "
        "罗:luo 宋:song 谢:xie 唐:tang 韩:han 曹:cao 许:xu 邓:deng 萧:xiao "
        "欧阳:ouyang 司马:sima",
        domains=("youxiang.example", "xinhe.example", "yunmail.example"),
        family_first=True,
        joint="",
    ),
    Culture(
        script="Latin",
        share=75,
        native=40,
        places=(
            Place("US", "en", "America/New_York"),
            Place("US", "en", "America/Los_Angeles"),
            Place("GB", "en-gb", "Europe/London"),
            Place("CA", "en", "America/Toronto"),
            Place("AU", "en", "Australia/Sydney"),
            Place("IE", "en", "Europe/Dublin"),
        ),
        given="Zoë Emma Olivia Noah Liam Grace Daniel Priscilla Hugo Chloë Maeve Siân Owen "
        "Ruth Theo Isla Caleb Ivy",
        family="Smith Johnson Williams Brown Walker O’Brien Murphy MacLeod Fitzgerald "
        "Whitaker Brontë Hughes Ellison Park",
        domains=("studio-lumen.example", "harbor.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=55,
        native=65,
        places=(
            Place("DE", "de", "Europe/Berlin"),
            Place("DE", "de", "Europe/Berlin"),
            Place("AT", "de", "Europe/Vienna"),
            Place("CH", "de", "Europe/Zurich"),
        ),
        given="Jürgen Björn Käthe Sören Anna Leonie Günther Jörg Änne Mia Felix Bärbel "
        "Ulrich Greta Moritz",
        family="Müller Schäfer Groß Köhler Weiß Bäcker Schröder Krüger Vogel Hoffmann Jäger "
        "Fröhlich Becker Süß",
        domains=("nordpost.example", "werkraum.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=40,
        native=70,
        places=(
            Place("FR", "fr", "Europe/Paris"),
            Place("BE", "fr", "Europe/Brussels"),
            Place("CA", "fr", "America/Montreal"),
            Place("SN", "fr", "Africa/Dakar"),
        ),
        given="François Renée Chloé Jérôme Anaïs Loïc Hélène Éloïse Mathéo Gaëlle Benoît "
        "Aïssatou Océane Rémi",
        family="Lefèvre Beauséjour Dupré Côté Gérard Lemaître Traoré Besançon Moreau Fabre "
        "Guérin Diop Çelebi",
        domains=("courriel.example", "atelier-sud.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=60,
        native=70,
        places=(
            Place("ES", "es", "Europe/Madrid"),
            Place("MX", "es-mx", "America/Mexico_City"),
            Place("AR", "es", "America/Argentina/Buenos_Aires"),
            Place("CO", "es", "America/Bogota"),
            Place("PE", "es", "America/Lima"),
        ),
        given="José María Andrés Sofía Núria Rosalía Iñigo Lucía Joaquín Inés Martín Begoña "
        "Ximena Raúl Belén",
        family="García Núñez Ibáñez Peña Martínez Muñoz Rodríguez Zúñiga López Cárdenas "
        "Ordóñez Vega Sáenz",
        domains=("correo.example", "buzon.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=35,
        native=70,
        places=(
            Place("BR", "pt-br", "America/Sao_Paulo"),
            Place("BR", "pt-br", "America/Recife"),
            Place("PT", "pt", "Europe/Lisbon"),
        ),
        given="João Inês Estêvão Conceição Antônio Letícia Thaís Cauã Luísa Simão Bárbara "
        "Otávio Márcia",
        family="Gonçalves Araújo Magalhães Simões Conceição Pacheco Leitão Assunção Barbosa "
        "Falcão Brandão",
        domains=("correio.example", "caixa.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=45,
        native=75,
        places=(
            Place("PL", "pl", "Europe/Warsaw"),
            Place("CZ", "cs", "Europe/Prague"),
            Place("SK", "sk", "Europe/Bratislava"),
            Place("HR", "hr", "Europe/Zagreb"),
            Place("RO", "ro", "Europe/Bucharest"),
        ),
        given="Łukasz Agnieszka Małgorzata Jiří Tomáš Šárka Zuzana Vít Żaneta Stanisław "
        "Ondřej Željka Ștefan Ľubica",
        family="Wójcik Zieliński Dvořák Černý Novák Kovář Śliwa Gajewski Říha Petrović "
        "Brâncuș Žižka Wiśniewski",
        domains=("poczta.example", "schranka.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=25,
        native=70,
        places=(
            Place("TR", "tr", "Europe/Istanbul"),
            Place("TR", "tr", "Europe/Istanbul"),
            Place("DE", "tr", "Europe/Berlin"),
        ),
        given="Çağla Gülşen Oğuz Emre Ayşe Tuğba Barış Şebnem Doğan Ümit",
        family="Yılmaz Öztürk Şahin Çelik Aydın Güneş Doğan Kılıç Özdemir",
        domains=("posta.example", "gonderi.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=25,
        native=70,
        places=(
            Place("SE", "sv", "Europe/Stockholm"),
            Place("NO", "nb", "Europe/Oslo"),
            Place("DK", "da", "Europe/Copenhagen"),
            Place("FI", "fi", "Europe/Helsinki"),
        ),
        given="Åsa Linnéa Håkon Mårten Søren Øyvind Märta Jørgen Päivi Väinö",
        family="Ångström Sjöberg Østergaard Björklund Håkansson Mäkinen Sørensen Nygård",
        domains=("fjordpost.example", "nordpost.example"),
        joint=".",
    ),
    Culture(
        script="Latin",
        share=40,
        native=65,
        places=(
            Place("VN", "vi", "Asia/Ho_Chi_Minh"),
            Place("VN", "vi", "Asia/Ho_Chi_Minh"),
            Place("US", "vi", "America/Los_Angeles"),
        ),
        given="Dũng Thảo Nguyệt Hương Quốc Minh Anh Đức Phượng Tuấn Hằng Khánh",
        family="Nguyễn Trần Phạm Đặng Lê Hoàng Vũ Bùi Đỗ Huỳnh",
        domains=("thudientu.example", "hopthu.example"),
        joint="_",
        family_first=True,
    ),
    Culture(
        script="Latin",
        share=30,
        native=0,
        places=(
            Place("NG", "en", "Africa/Lagos"),
            Place("KE", "en", "Africa/Nairobi"),
            Place("GH", "en", "Africa/Accra"),
            Place("ID", "id", "Asia/Jakarta"),
            Place("ID", "id", "Asia/Jakarta"),
        ),
        given="Kwame Amara Chidi Ngozi Wanjiru Putri Budi Dewi Adaeze Kofi Siti Agus",
        family="Okafor Adeyemi Mwangi Otieno Wijaya Santoso Pratama Mensah Lestari Nwosu",
        domains=("savanna-labs.example", "surat.example"),
        joint=".",
    ),
    Culture(
        script="Cyrillic",
        share=95,
        native=50,
        places=(
            Place("RU", "ru", "Europe/Moscow"),
            Place("RU", "ru", "Asia/Yekaterinburg"),
            Place("UA", "uk", "Europe/Kyiv"),
            Place("KZ", "ru", "Asia/Almaty"),
            Place("BG", "bg", "Europe/Sofia"),
        ),
        given="Анна:anna Иван:ivan Дмитрий:dmitry Ольга:olga Сергей:sergey Наталья:natalya "
        "Алексей:alexey Мария:maria Павел:pavel Юлия:yulia Артём:artyom Ксения:ksenia "
        "Тарас:taras Оксана:oksana Богдан:bohdan Єва:yeva Даниил:daniil Полина:polina "
        "Никита:nikita Вера:vera Михаил:mikhail",
        family="Петренко:petrenko Шевченко:shevchenko Мороз:moroz Волк:volk Бойко:boyko "
        "Ткач:tkach Коваль:koval Черных:chernykh Долгих:dolgikh Лысенко:lysenko "
        "Гончар:honchar Мельник:melnik Сахно:sakhno Живаго:zhivago Абай:abay Ким:kim",
        domains=("pochta.example", "lystivka.example"),
    ),
    Culture(
        script="Arabic",
        share=70,
        native=55,
        places=(
            Place("EG", "ar", "Africa/Cairo"),
            Place("SA", "ar", "Asia/Riyadh"),
            Place("MA", "ar", "Africa/Casablanca"),
            Place("AE", "ar", "Asia/Dubai"),
            Place("IQ", "ar", "Asia/Baghdad"),
        ),
        given="محمد:mohamed أحمد:ahmed فاطمة:fatima عائشة:aisha يوسف:youssef مريم:mariam "
        "خالد:khaled نور:nour ليلى:layla عمر:omar سارة:sara حسن:hassan زينب:zainab "
        "إبراهيم:ibrahim هدى:huda سلمى:salma طارق:tarek",
        family="العلي:alali حداد:haddad منصور:mansour الخطيب:alkhatib سالم:salem "
        "النجار:alnajjar عبدالله:abdullah الشامي:alshami بناني:bennani المصري:almasri "
        "قاسم:qasim الراشد:alrashid زيدان:zidan",
        domains=("bareed.example", "risala.example"),
    ),
    Culture(
        script="Devanagari",
        share=75,
        native=35,
        places=(Place("IN", "hi", "Asia/Kolkata"), Place("IN", "en", "Asia/Kolkata")),
        given="अनिल:anil प्रिया:priya राहुल:rahul अंजलि:anjali विजय:vijay सुनीता:sunita "
        "अर्जुन:arjun दीपिका:deepika रोहन:rohan काव्या:kavya आदित्य:aditya नेहा:neha "
        "संजय:sanjay मीरा:meera ईशान:ishaan",
        family="शर्मा:sharma वर्मा:verma पटेल:patel गुप्ता:gupta सिंह:singh रेड्डी:reddy "
        "जोशी:joshi मेहता:mehta नायर:nair देशमुख:deshmukh अय्यर:iyer चौधरी:chaudhary",
        domains=("dakghar.example", "patra.example"),
    ),
    Culture(
        script="Kana",
        share=65,
        native=60,
        places=(Place("JP", "ja", "Asia/Tokyo"),),
        given="さくら:sakura ひかり:hikari 健太:kenta 陽菜:hina 蓮:ren ユウキ:yuki "
        "みなみ:minami 大輔:daisuke あおい:aoi 千尋:chihiro ハルト:haruto 結衣:yui "
        "翔:sho かえで:kaede",
        family="佐藤:sato 鈴木:suzuki 高橋:takahashi 田中:tanaka 渡辺:watanabe 伊藤:ito "
        "山本:yamamoto 中村:nakamura 小林:kobayashi 加藤:kato 長谷川:hasegawa "
        "五十嵐:igarashi",
        domains=("tegami.example", "hagaki.example"),
        family_first=True,
        joint="",
    ),
    Culture(
        script="Hangul",
        share=45,
        native=60,
        places=(Place("KR", "ko", "Asia/Seoul"),),
        given="민준:minjun 서연:seoyeon 지우:jiwoo 하은:haeun 도윤:doyun 수빈:subin "
        "예준:yejun 지민:jimin 현우:hyunwoo 은지:eunji 태양:taeyang 유나:yuna",
        family="김:kim 이:lee 박:park 최:choi 정:jung 강:kang 조:cho 윤:yoon 장:jang 임:lim "
        "한:han 남궁:namgung",
        domains=("pyeonji.example", "ilsang.example"),
        family_first=True,
        joint="",
    ),
)

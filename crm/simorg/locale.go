package simorg

import "strings"

// region is one country of which the people of the org come. The texts are split when the org is made.
type region struct {
	weight                  int
	country, code, language string
	locale                  string
	zones                   string // by |
	places                  string // city/state/state code/postal code by |
	given, family           string // native:ascii by space; _ stands for a space
	phones, mobiles         string // patterns by |; # is a digit
}

// regions are weighted in percent. Telephone patterns lie in the ranges that the countries reserve for fiction, or
// carry 555.
var regions = [...]region{
	{
		40, "United States", "US", "en_US", "en_US",
		"America/Los_Angeles|America/Denver|America/Chicago|America/New_York|America/Phoenix",
		"San Francisco/California/CA/94105|Provo/Utah/UT/84604|Chicago/Illinois/IL/60601|New York/New York/NY/10001|Tempe/Arizona/AZ/85281",
		"James:james Mary:mary Robert:robert Patricia:patricia Aaliyah:aaliyah DeShawn:deshawn Mary_Ann:mary.ann Liam:liam Zoe:zoe Xiomara:xiomara",
		"Smith:smith Johnson:johnson O'Brien:obrien Garcia:garcia Smith-Jones:smith-jones Washington:washington Nguyen:nguyen McDonald:mcdonald Van_Buren:vanburen",
		"(415) 555-01##|+1 415 555 01##|312.555.01##|801-555-01## x1##|+1 (212) 555-01## ext. ##|180155501##",
		"(415) 555-01##|+141555501##",
	},
	{
		8, "United Kingdom", "GB", "en_GB", "en_GB", "Europe/London",
		"London///EC1A 1BB|Manchester///M1 1AE|Cardiff///CF10 1BH", "Oliver:oliver Amelia:amelia Siân:sian Hamish:hamish Zoë:zoe",
		"Davies:davies MacLeod:macleod Fitz-Gerald:fitz-gerald Okonkwo:okonkwo", "020 7946 0###|+44 20 7946 0###|0161 496 0###", "07700 900###|+44 7700 900###",
	},
	{
		5, "France", "FR", "fr", "fr_FR", "Europe/Paris", "Paris///75001|Lyon///69001",
		"François:francois Chloé:chloe Anaïs:anais Jérôme:jerome Maëlle:maelle", "Lefèvre:lefevre D'Aubigné:daubigne Müller:muller Béranger:beranger",
		"01 99 00 ## ##|+33 1 99 00 ## ##", "06 39 98 ## ##",
	},
	{
		5, "Germany", "DE", "de", "de_DE", "Europe/Berlin", "Berlin/Berlin/BE/10115|München/Bayern/BY/80331",
		"Jürgen:juergen Käthe:kaethe Björn:bjoern Änne:aenne Günther:guenther", "Groß:gross Schröder:schroeder von_der_Heide:vonderheide Jäger:jaeger",
		"(030) 23125-###|+49 30 23125 ###", "0171 39200##",
	},
	{
		4, "Spain", "ES", "es", "es_ES", "Europe/Madrid", "Madrid/Madrid/M/28001",
		"José:jose María_José:maria.jose Íñigo:inigo Núria:nuria", "Muñoz:munoz García_Márquez:garcia.marquez Ibáñez:ibanez", "+34 910 555 0##", "+34 600 555 0##",
	},
	{
		4, "Brazil", "BR", "pt_BR", "pt_BR", "America/Sao_Paulo", "São Paulo/São Paulo/SP/01310-100",
		"João:joao Conceição:conceicao Antônio:antonio Luíza:luiza", "Gonçalves:goncalves Araújo:araujo dos_Santos:dossantos", "(11) 5550-01##|+55 11 5550-01##", "(11) 95550-01##",
	},
	{
		4, "Poland", "PL", "pl", "pl_PL", "Europe/Warsaw", "Łódź///90-001|Kraków///30-001",
		"Łukasz:lukasz Żaneta:zaneta Święcisława:swiecislawa Paweł:pawel", "Wójcik:wojcik Żółć:zolc Brzęczyszczykiewicz:brzeczyszczykiewicz", "+48 22 555 01 ##", "+48 500 555 0##",
	},
	{
		3, "Sweden", "SE", "sv", "sv_SE", "Europe/Stockholm", "Göteborg///411 03",
		"Åsa:asa Sören:soren Märta:marta Örjan:orjan", "Björk:bjork Åström:astrom Öberg:oberg", "031-390 06 ##|+46 31 390 06 ##", "070-1740 6##",
	},
	{
		2, "Türkiye", "TR", "tr", "tr_TR", "Europe/Istanbul", "İstanbul///34000",
		"Işıl:isil İbrahim:ibrahim Gökçe:gokce Şule:sule", "Yıldız:yildiz Çağlar:caglar Öztürk:ozturk", "+90 212 555 01 ##", "+90 532 555 01 ##",
	},
	{
		2, "Vietnam", "VN", "vi", "vi_VN", "Asia/Ho_Chi_Minh", "Hà Nội///100000",
		"Thị_Hương:thi.huong Quốc:quoc Đức:duc", "Nguyễn:nguyen Trần:tran Đặng:dang", "+84 24 5550 01##", "+84 90 555 01##",
	},
	{
		3, "Russia", "RU", "ru", "ru_RU", "Europe/Moscow", "Москва///101000",
		"Алексей:aleksei Ольга:olga Фёдор:fedor Юлия:yuliya", "Иванов:ivanov Щербакова:shcherbakova Соловьёв:solovyov", "+7 (495) 555-01-##", "8 900 555-01-##",
	},
	{
		2, "Ukraine", "UA", "uk", "uk_UA", "Europe/Kyiv", "Київ///01001",
		"Олексій:oleksii Ганна:hanna Їжак:yizhak", "Шевченко:shevchenko Ґудзь:gudz Коваленко:kovalenko", "+380 44 555 01 ##", "+380 50 555 01 ##",
	},
	{
		2, "Greece", "GR", "el", "el_GR", "Europe/Athens", "Αθήνα///105 57",
		"Γιώργος:giorgos Ελένη:eleni Χρήστος:christos", "Παπαδόπουλος:papadopoulos Οικονόμου:oikonomou", "+30 21 0555 01##", "+30 690 555 01##",
	},
	{
		4, "Japan", "JP", "ja", "ja_JP", "Asia/Tokyo", "東京都///100-0001|大阪市///530-0001",
		"太郎:taro 花子:hanako さくら:sakura ケンジ:kenji", "山田:yamada 佐藤:sato 髙橋:takahashi 渡邊:watanabe", "03-5550-01##|+81 3-5550-01##", "090-5550-01##",
	},
	{
		3, "China", "CN", "zh_CN", "zh_CN", "Asia/Shanghai", "上海///200000", "伟:wei 秀英:xiuying 𠮷祥:jixiang 丽:li",
		"王:wang 欧阳:ouyang 李:li 张:zhang", "+86 21 5550 01##", "138 5550 01##",
	},
	{
		2, "Korea, Republic of", "KR", "ko", "ko_KR", "Asia/Seoul", "서울///04524", "민준:minjun 서연:seoyeon 하은:haeun",
		"김:kim 이:lee 박:park 남궁:namgung", "02-555-01##", "010-5550-01##",
	},
	{
		2, "Saudi Arabia", "SA", "ar", "ar_SA", "Asia/Riyadh", "الرياض///11564", "محمد:mohammed فاطمة:fatimah عبد_الله:abdullah",
		"الأحمد:alahmad القحطاني:alqahtani بن_سعود:binsaud", "+966 11 555 01##", "+966 50 555 01##",
	},
	{
		1, "Israel", "IL", "iw", "iw_IL", "Asia/Jerusalem", "תל אביב///61000", "נועה:noa דוד:david שירה:shira", "כהן:cohen לוי:levi", "+972 3 555 01##", "050-555-01##",
	},
	{
		3, "India", "IN", "en_US", "hi_IN", "Asia/Kolkata", "मुंबई/Maharashtra/MH/400001|Bengaluru/Karnataka/KA/560001",
		"आरव:aarav दीपिका:deepika Priya:priya श्रीराम:shriram", "शर्मा:sharma Iyer:iyer पटेल:patel", "+91 22 5550 01##", "+91 90000 555##",
	},
	{
		1, "Thailand", "TH", "th", "th_TH", "Asia/Bangkok", "กรุงเทพมหานคร///10110", "สมชาย:somchai กัญญา:kanya", "ใจดี:jaidee ศรีสุข:srisuk", "+66 2 555 01##", "+66 81 555 01##",
	},
}

type person struct{ native, ascii string }

type place struct{ city, state, stateCode, postal string }

// pool is a region, split.
type pool struct {
	*region
	zones           []string
	places          []place
	given, family   []person
	phones, mobiles []string
}

// newPools splits the regions, and lists them by percent for picking.
func newPools() (byPercent []*pool) {
	for i := range regions {
		r := &regions[i]
		p := &pool{
			region: r, zones: strings.Split(r.zones, "|"), given: people(r.given), family: people(r.family),
			phones: strings.Split(r.phones, "|"), mobiles: strings.Split(r.mobiles, "|"),
		}
		for s := range strings.SplitSeq(r.places, "|") {
			f := strings.Split(s, "/")
			p.places = append(p.places, place{f[0], f[1], f[2], f[3]})
		}
		for range r.weight {
			byPercent = append(byPercent, p)
		}
	}
	return byPercent
}

func people(s string) (out []person) {
	for f := range strings.FieldsSeq(s) {
		native, ascii, _ := strings.Cut(f, ":")
		out = append(out, person{strings.ReplaceAll(native, "_", " "), ascii})
	}
	return out
}

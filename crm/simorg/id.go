package simorg

import "strings"

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// pod stands between the key prefix and the counter of every id of the org.
const pod = "5f0"

// appendSuffix appends the three checksum characters of the 15-character id.
func appendSuffix(b []byte, id15 string) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	for g := 0; g < 15; g += 5 {
		bits := 0
		for j := range 5 {
			if c := id15[g+j]; c >= 'A' && c <= 'Z' {
				bits |= 1 << j
			}
		}
		b = append(b, alphabet[bits])
	}
	return b
}

// makeID builds the 18-character id of counter n under the key prefix. Larger n sort later in byte order.
func makeID(prefix string, n uint64) string {
	var b [18]byte
	copy(b[:], prefix)
	copy(b[3:], pod)
	for i := 14; i >= 6; i-- {
		b[i] = base62[n%62]
		n /= 62
	}
	appendSuffix(b[:15:18], string(b[:15]))
	return string(b[:])
}

// idCounter is the inverse of makeID for a 15- or 18-character id; ok is false for ids of another prefix or pod.
func idCounter(prefix, id string) (n uint64, ok bool) {
	if len(id) < 15 || id[:3] != prefix || id[3:6] != pod {
		return 0, false
	}
	for _, c := range []byte(id[6:15]) {
		d := strings.IndexByte(base62, c)
		if d < 0 {
			return 0, false
		}
		n = n*62 + uint64(d)
	}
	return n, true
}

// normalID turns a 15- or 18-character id into its 18-character form. An 18-character id of which the case was
// damaged is repaired from its checksum, as Salesforce does.
func normalID(id string) (string, bool) {
	if len(id) != 15 && len(id) != 18 {
		return "", false
	}
	for _, c := range []byte(id) {
		if strings.IndexByte(base62, c) < 0 {
			return "", false
		}
	}
	if len(id) == 18 {
		repaired, ok := repairCase(id)
		return repaired, ok
	}
	return string(appendSuffix([]byte(id), id)), true
}

func repairCase(id string) (string, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	b := []byte(strings.ToLower(id[:15]))
	suffix := strings.ToUpper(id[15:])
	for g := range 3 {
		bits := strings.IndexByte(alphabet, suffix[g])
		if bits < 0 {
			return "", false
		}
		for j := range 5 {
			c := &b[g*5+j]
			letter := *c >= 'a' && *c <= 'z'
			switch up := bits>>j&1 == 1; {
			case up && !letter:
				return "", false
			case up:
				*c -= 'a' - 'A'
			}
		}
	}
	return string(b) + suffix, true
}

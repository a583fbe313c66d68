package crm

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseID(t *testing.T) {
	tests := []struct{ in, want string }{
		{"0055f00000GBZR4", "0055f00000GBZR4AAP"},
		{"005R0000000UyrW", "005R0000000UyrWIAS"},
		{"00D58000000arpq", "00D58000000arpqEAA"},
		{"0055f000005mc66", "0055f000005mc66AAA"},
		{"00558000001OaBC", "00558000001OaBCAA0"},
		{"000000000000000", "000000000000000AAA"},
		{"0055f00000GBZR4AAP", "0055f00000GBZR4AAP"},
		{"0055F00000gbzr4aap", "0055f00000GBZR4AAP"},
		{"005r0000000uyrwias", "005R0000000UyrWIAS"},
	}
	for _, tt := range tests {
		if got, err := ParseID(tt.in); err != nil || got != tt.want {
			t.Errorf("ParseID(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, in := range []string{
		"", "005", "0055f00000GBZR", "0055f00000GBZR4A", "0055f00000GBZR4AAPX", "0055f00000GBZ'4",
		"0055f00000GBZR4AA!", "0055f00000GBZR4AA9", "000000000000000AAB", "ö055f00000GBZR",
	} {
		if got, err := ParseID(in); !errors.Is(err, ErrID) {
			t.Errorf("ParseID(%q) = %q, %v; want ErrID", in, got, err)
		}
	}
}

func TestParseIDRepairsAnyLostCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringMatching(`[0-9A-Za-z]{15}`).Draw(t, "id")
		want, err := ParseID(short)
		if err != nil {
			t.Fatal(err)
		}
		for _, damaged := range []string{want, strings.ToLower(want), strings.ToUpper(want)} {
			if got, err := ParseID(damaged); err != nil || got != want {
				t.Fatalf("ParseID(%q) = %q, %v; want %q", damaged, got, err, want)
			}
		}
	})
}

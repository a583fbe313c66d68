package simorg

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestIDSuffix(t *testing.T) {
	for id15, want := range map[string]string{
		"0055f00000GBZR4": "AAP", "005R0000000UyrW": "IAS", "00D58000000arpq": "EAA",
		"0055f000005mc66": "AAA", "00558000001OaBC": "AA0", "000000000000000": "AAA",
	} {
		if got := string(appendSuffix(nil, id15)); got != want {
			t.Errorf("suffix of %s: got %s, want %s", id15, got, want)
		}
	}
}

func TestNormalID(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"0055f00000GBZR4", "0055f00000GBZR4AAP"},
		{"0055f00000GBZR4AAP", "0055f00000GBZR4AAP"},
		{"0055F00000gbzr4aap", "0055f00000GBZR4AAP"}, // case damaged, repaired from the suffix
		{"0055f00000GBZR44AP", ""},                   // suffix wants a capital where a digit stands
		{"0055f00000GBZR4A", ""},
		{"0055f00000GB-R4", ""},
		{"", ""},
	} {
		if got, ok := normalID(tt.in); got != tt.want && ok {
			t.Errorf("normalID(%q): got %q, %v, want %q", tt.in, got, ok, tt.want)
		}
	}
}

func TestMakeIDIsInvertibleAndAscending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64Range(0, 1<<52).Draw(t, "a")
		b := rapid.Uint64Range(0, 1<<52).Draw(t, "b")
		ia, ib := makeID("005", a), makeID("005", b)
		if got, ok := idCounter("005", ia); !ok || got != a {
			t.Fatalf("idCounter(%s): got %d %v, want %d", ia, got, ok, a)
		}
		if (a < b) != (ia[:15] < ib[:15]) {
			t.Fatalf("%d and %d are ordered otherwise than %s and %s", a, b, ia, ib)
		}
		damaged := strings.ToLower(ia)
		if got, ok := normalID(damaged); !ok || got != ia {
			t.Fatalf("normalID(%s): got %s %v, want %s", damaged, got, ok, ia)
		}
	})
}

func TestUserIDsHaveHolesAndRoundTrip(t *testing.T) {
	g := New(Options{Users: 2000, Seed: 9}).gen
	holes := 0
	for i := range g.n {
		id := g.id(i)
		if got, ok := g.index(id); !ok || got != i {
			t.Fatalf("index(%s): got %d %v, want %d", id, got, ok, i)
		}
		if i > 0 && g.number(i) <= g.number(i-1) {
			t.Fatalf("row %d has number %d after %d", i, g.number(i), g.number(i-1))
		}
		if i > 0 && g.number(i) > g.number(i-1)+1 {
			holes++
		}
	}
	if holes < g.n/2 {
		t.Errorf("got %d holes in %d ids", holes, g.n)
	}
	if _, ok := g.index(makeID("005", g.number(5)+1)); ok {
		t.Error("an id in a hole has a row")
	}
}

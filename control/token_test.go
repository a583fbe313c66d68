package control

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReadTokens(t *testing.T) {
	tokens, err := ReadTokens(strings.NewReader("\n# people\n  admin ada 0123456789abcdef  \nviewer vic\tfedcba9876543210\r\n"))
	if err != nil || tokens.Len() != 2 {
		t.Fatalf("%d tokens, %v", tokens.Len(), err)
	}
	if c, ok := tokens.caller("fedcba9876543210"); !ok || !reflect.DeepEqual(c, Caller{Name: "vic", Role: Viewer, Via: "token"}) {
		t.Errorf("got %+v, %t", c, ok)
	}
	for _, wrong := range []string{"", "fedcba987654321", "fedcba98765432100", "FEDCBA9876543210"} {
		if c, ok := tokens.caller(wrong); ok {
			t.Errorf("%q is %+v", wrong, c)
		}
	}
	if _, ok := (Tokens{}).caller(""); ok {
		t.Error("no tokens admit somebody")
	}
}

func TestReadTokensRefuses(t *testing.T) {
	good := "viewer vic fedcba9876543210\n"
	for _, tc := range []struct {
		name, text string
		line       int
		says       string
	}{
		{"two words", "viewer vic\n", 1, "has 2 words"},
		{"four words", good + "viewer vic the token0123456789\n", 2, "has 4 words"},
		{"role", "root vic fedcba9876543210\n", 1, "the first word is not a role"},
		{"token first", "fedcba9876543210 viewer vic\n", 1, "not a role"},
		{"token second", "viewer fedcba9876543210 vic\n", 1, "shorter than 16"},
		{"tokens second", "viewer 0123456789abcdef a-very-long-name-of-one\nadmin 0123456789abcdef a-very-long-name-of-two\n", 2, "the name is that of line 1"},
		{"short", "# c\n\nviewer vic tooshort\n", 3, "shorter than 16"},
		{"name twice", good + "admin vic 0123456789abcdef\n", 2, "the name is that of line 1 too"},
		{"token twice", good + "admin ada fedcba9876543210\n", 2, "same as that of line 1"},
	} {
		_, err := ReadTokens(strings.NewReader(tc.text))
		e, ok := errors.AsType[*TokensError](err)
		if !ok || e.Line != tc.line || !strings.Contains(err.Error(), tc.says) || e.Hint() == "" {
			t.Errorf("%s: got %v, want line %d: %s", tc.name, err, tc.line, tc.says)
		}
		for _, word := range []string{"fedcba9876543210", "0123456789abcdef", "tooshort", "token0123456789", "vic", "root", "of-two"} {
			if err != nil && strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error holds a token: %v", tc.name, err)
			}
		}
	}
}

func TestReadTokensFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tokens")
	if _, err := ReadTokensFile(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(name, []byte("root x y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadTokensFile(name); err == nil || !strings.Contains(err.Error(), name+": line 1: ") {
		t.Errorf("a wrong line: %v", err)
	}
}

func FuzzReadTokens(f *testing.F) {
	f.Add("viewer vic fedcba9876543210\n", "fedcba9876543210")
	f.Add("# x\n\nadmin a b c", "b")
	f.Fuzz(func(t *testing.T, text, secret string) {
		tokens, err := ReadTokens(strings.NewReader(text))
		c, ok := tokens.caller(secret)
		if err != nil && (ok || tokens.Len() > 0) {
			t.Fatalf("a wrong file admits %+v", c)
		}
		if ok && (!c.Role.May(Viewer) || !strings.Contains(text, secret)) {
			t.Fatalf("%q admits %+v by %q", text, c, secret)
		}
	})
}

package control

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// minToken is the shortest token taken: 16 characters of base64 are 96 bits,
// beyond guessing over a network.
const minToken = 16

// Tokens are the bearer tokens that may call over TCP, kept as SHA-256 only.
// The zero value admits nobody.
type Tokens struct {
	list []token
}

type token struct {
	role   Role
	within []dialer.Group
	name   string
	line   int
	sum    [sha256.Size]byte
}

// TokensError says which line of a tokens file is wrong. It never holds a
// token, nor any other word of the file: where the columns are mixed up, each
// may be one.
type TokensError struct {
	Line   int
	Reason string
}

// Error gives the line and the reason.
func (e *TokensError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Hint says how a line looks.
func (e *TokensError) Hint() string {
	return "a line is: ROLE NAME TOKEN, for example: support helpdesk followed by what openssl rand -hex 32 prints; " +
		"a manager can be limited to groups: manager(permission_group=Reps, desk=EMEA) NAME TOKEN"
}

// ReadTokens reads lines of ROLE NAME TOKEN. Empty lines and lines that start
// with # are skipped.
func ReadTokens(r io.Reader) (Tokens, error) {
	var t Tokens
	scan := bufio.NewScanner(r)
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		one, err := parseToken(line)
		if err != nil {
			return Tokens{}, &TokensError{n, err.Error()}
		}
		for i := range t.list {
			if t.list[i].name == one.name {
				return Tokens{}, &TokensError{n, fmt.Sprintf("the name is that of line %d too, so the activity log could not tell them apart", t.list[i].line)}
			}
			if t.list[i].sum == one.sum {
				return Tokens{}, &TokensError{n, fmt.Sprintf("the token is the same as that of line %d", t.list[i].line)}
			}
		}
		one.line = n
		t.list = append(t.list, one)
	}
	if err := scan.Err(); err != nil {
		return Tokens{}, fmt.Errorf("read tokens: %w", err)
	}
	return t, nil
}

func parseToken(line string) (token, error) {
	line, within, err := cutLimits(line)
	if err != nil {
		return token{}, err
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return token{}, fmt.Errorf("has %d words, want 3", len(fields))
	}
	role, err := ParseRole(fields[0])
	if err != nil {
		return token{}, fmt.Errorf("the first word is %w", err)
	}
	if within != nil && role != Manager {
		return token{}, errors.New("only the role manager can be limited to groups")
	}
	if len(fields[2]) < minToken {
		return token{}, fmt.Errorf("the third word, the token, is shorter than %d characters", minToken)
	}
	return token{role: role, within: within, name: fields[1], sum: sha256.Sum256([]byte(fields[2]))}, nil
}

// cutLimits takes the groups out of a line that begins with ROLE(KIND=GROUP, ...).
func cutLimits(line string) (rest string, within []dialer.Group, err error) {
	role, after, ok := strings.Cut(line, "(")
	if !ok || strings.ContainsAny(role, " \t") {
		return line, nil, nil
	}
	groups, after, ok := strings.Cut(after, ")")
	if !ok {
		return "", nil, errors.New("has a parenthesis that is not closed")
	}
	within, err = parseLimits(groups)
	return role + " " + after, within, err
}

// ReadTokensFile reads the tokens of a file.
func ReadTokensFile(name string) (Tokens, error) {
	f, err := os.Open(name)
	if err != nil {
		return Tokens{}, fmt.Errorf("open tokens: %w", err)
	}
	defer f.Close()
	t, err := ReadTokens(f)
	if err != nil {
		return Tokens{}, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// Len is how many tokens there are.
func (t Tokens) Len() int { return len(t.list) }

// LogValue shows how many tokens there are and none of them.
func (t Tokens) LogValue() slog.Value { return slog.IntValue(len(t.list)) }

// caller finds whose token it is. Every token is compared, each in constant
// time, so that the time taken tells nothing.
func (t Tokens) caller(secret string) (Caller, bool) {
	sum := sha256.Sum256([]byte(secret))
	found := -1
	for i := range t.list {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], t.list[i].sum[:]), i, found)
	}
	if found < 0 {
		return Caller{}, false
	}
	return Caller{Name: t.list[found].name, Role: t.list[found].role, Via: "token", Within: t.list[found].within}, true
}

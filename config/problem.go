package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Problem is one mistake in the configuration, with its place and its remedy.
type Problem struct {
	File    string
	Line    int    // one-based; 0 means the file as a whole
	Column  int    // one-based, in characters
	Key     string // such as orgs[0].schedule.full; empty where the file is not readable as keys
	What    string // what is wrong
	Remedy  string // what to do about it
	Excerpt string // the line, with a mark below the column; secrets left out
}

// Error is one line: config.yaml:12:5: orgs[0].schedule.full: what — remedy.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString(" — " + p.Remedy)
	}
	return b.String()
}

// Hint is the remedy.
func (p *Problem) Hint() string { return p.Remedy }

// Problems is every mistake that was found, in the order of the file.
type Problems []*Problem

// Error lists the mistakes, each with its excerpt.
func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.Error())
		if p.Excerpt != "" {
			b.WriteString("\n" + p.Excerpt)
		}
	}
	return b.String()
}

// Unwrap returns the mistakes one by one.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// maxProblems is how many mistakes are told at once; more are rarely read.
const maxProblems = 20

// sorted returns the problems in the order of the file, each place and text
// once.
func (r *reader) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	ps := slices.CompactFunc(r.problems, func(a, b *Problem) bool {
		return a.Line == b.Line && a.Column == b.Column && a.What == b.What
	})
	return ps[:min(len(ps), maxProblems)]
}

// excerpt shows a line of the file with a mark under the column.
func (r *reader) excerpt(line, column int) string {
	if line < 1 || line > len(r.lines) {
		return ""
	}
	text := []rune(r.lines[line-1])
	column = max(1, min(column, len(text)+1))
	start := 0
	if column > 100 {
		start = column - 60
	}
	shown := string(text[start:min(len(text), start+160)])
	clean := redact(shown)
	number := fmt.Sprintf("%5d | ", line)
	out := number + strings.ReplaceAll(clean, "\t", " ")
	if clean == shown { // else the mark could point anywhere
		out += "\n" + strings.Repeat(" ", len(number)+column-1-start) + "^"
	}
	return out
}

var (
	// secretKey finds "client_secret: VALUE", but not "client_secret_file: VALUE".
	secretKey = regexp.MustCompile(`(?i)([a-z0-9_-]*(?:secret|passw|passphrase|private_key|token|apikey|api_key)[a-z0-9_-]*)(["']?\s*:\s*)(.*)`)
	userinfo  = regexp.MustCompile(`(://[^/?#\s:@]*:)[^/\s@]*@`)
	queryPass = regexp.MustCompile(`(?i)([?&](?:password|sslpassword)=)[^&\s]*`)
	pemLine   = regexp.MustCompile(`[A-Za-z0-9+/=]{48,}|-----BEGIN.*`)
)

// redact leaves out of a line what might be a secret that was written where it
// does not belong.
func redact(line string) string {
	line = userinfo.ReplaceAllString(line, "${1}<secret>@")
	line = queryPass.ReplaceAllString(line, "${1}<secret>")
	line = pemLine.ReplaceAllString(line, "<secret>")
	m := secretKey.FindStringSubmatchIndex(line)
	if m == nil {
		return line
	}
	key, value := strings.ToLower(line[m[2]:m[3]]), line[m[6]:m[7]]
	isName := strings.HasSuffix(key, "_file") && (value == "" || strings.ContainsAny(value, "/$") || strings.Trim(value, `"' `) == "")
	if isName || value == "" {
		return line[:m[6]] + redact(value)
	}
	return line[:m[6]] + "<secret>"
}

package config

import (
	"fmt"
	"strings"
)

// expand replaces ${NAME} by the environment variable NAME, and $${ by ${. Any
// other dollar stands for itself.
func expand(s string, env func(string) (string, bool)) (string, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		name, rest, closed := strings.Cut(s[i+2:], "}")
		if !closed {
			return "", &expandError{"${ is not closed", "close it with }, or write $${ for a plain ${"}
		}
		if !variable(name) {
			return "", &expandError{
				fmt.Sprintf("${%s} does not name an environment variable", name),
				"write ${NAME} without a default or an operator",
			}
		}
		value, ok := env(name)
		if !ok {
			return "", &expandError{fmt.Sprintf("the environment variable %s is not set", name), unset(name)}
		}
		b.WriteString(value)
		s = rest
	}
}

func unset(name string) string {
	if name == "CREDENTIALS_DIRECTORY" {
		return "systemd sets it for a service with LoadCredential=; to run by hand, set it to the directory of the secret files"
	}
	return "set it, or write the value itself"
}

func variable(name string) bool {
	for i, c := range name {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

type expandError struct{ what, remedy string }

func (e *expandError) Error() string { return e.what }

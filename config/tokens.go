package config

import (
	"bytes"
	"errors"

	"github.com/rosterd/rosterd/control"
)

// tokens reads the file of API tokens. An empty one is fine: then nobody has a
// token. It reports false when it has noted why the file cannot be used.
func (c *checker) tokens(key, name string) (control.Tokens, bool) {
	text, ok := c.read(key, name)
	if !ok {
		return control.Tokens{}, false
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return control.Tokens{}, true
	}
	if text, ok = c.secretFile(key, name); !ok {
		return control.Tokens{}, false
	}
	tokens, err := control.ReadTokens(bytes.NewReader(text))
	if te, ok := errors.AsType[*control.TokensError](err); ok {
		c.fail(key, te.Hint(), "line %d of the file: %s", te.Line, te.Reason)
		return control.Tokens{}, false
	}
	if err != nil {
		c.fail(key, "the lines are ROLE NAME TOKEN", "the file cannot be read: %s", err)
		return control.Tokens{}, false
	}
	return tokens, true
}

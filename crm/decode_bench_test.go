package crm

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
)

// BenchmarkDecodePage compares the decoder with the ways not taken.
func BenchmarkDecodePage(b *testing.B) {
	page := benchPage(maxPage, 0)
	// A user's times are not RFC 3339, so those who read into structs do not even read them.
	plain := bytes.ReplaceAll(page, []byte("+0000"), []byte("Z"))
	d := testDecoder(b, nil)
	var buf []User
	for _, way := range []struct {
		name string
		read func() (int, error)
	}{
		{"crm", func() (int, error) {
			var err error
			buf, _, err = d.page(bytes.NewReader(page), buf[:0], maxPage)
			return len(buf), err
		}},
		{"std-tokens", func() (int, error) {
			users, err := stdTokens(stdjson.NewDecoder(bytes.NewReader(page)))
			return len(users), err
		}},
		{"std-rows", func() (int, error) {
			dec := stdjson.NewDecoder(bytes.NewReader(plain))
			for key := stdjson.Token(nil); key != "records"; {
				var err error
				if key, err = dec.Token(); err != nil {
					return 0, err
				}
			}
			if _, err := dec.Token(); err != nil { // the list begins
				return 0, err
			}
			n := 0
			for ; dec.More(); n++ {
				var u User
				if err := dec.Decode(&u); err != nil {
					return n, err
				}
			}
			return n, nil
		}},
		{"stdlib-struct", func() (int, error) {
			var p struct{ Records []User }
			err := stdjson.Unmarshal(plain, &p)
			return len(p.Records), err
		}},
		{"stdlib-map", func() (int, error) {
			var p struct{ Records []map[string]any }
			err := stdjson.NewDecoder(bytes.NewReader(page)).Decode(&p)
			return len(p.Records), err
		}},
		{"v2-struct", func() (int, error) {
			var p struct{ Records []User }
			err := json.UnmarshalRead(bytes.NewReader(plain), &p, json.MatchCaseInsensitiveNames(true))
			return len(p.Records), err
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := way.read(); err != nil || n != maxPage {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// stdTokens reads a page with the token stream of the standard library into the
// same Users as the decoder.
func stdTokens(dec *stdjson.Decoder) ([]User, error) {
	var users []User
	fields := map[string]*column{}
	for i := range columns {
		fields[columns[i].name] = &columns[i]
	}
	var path, keys []string // of the objects and lists that are open; of what is read in each
	key, wanted := "", false
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return users, nil
		}
		if err != nil {
			return users, err
		}
		object := len(path) > 0 && path[len(path)-1] == "{"
		if object && wanted {
			if s, ok := t.(string); ok {
				key, wanted = s, false
				continue
			}
		}
		switch v := t.(type) {
		case stdjson.Delim:
			switch v {
			case '{', '[':
				path, keys = append(path, v.String()), append(keys, key)
				if wanted = v == '{'; wanted && len(path) == 3 {
					users = append(users, User{})
				}
				continue
			default:
				path, keys = path[:len(path)-1], keys[:len(keys)-1]
			}
		default:
			if err := setToken(users, fields, keys, key, v); err != nil {
				return users, err
			}
		}
		wanted = len(path) > 0 && path[len(path)-1] == "{"
	}
}

// setToken gives a value to the user that is being read.
func setToken(users []User, fields map[string]*column, keys []string, key string, v any) error {
	if len(keys) < 3 || slices.Contains(keys, "attributes") {
		return nil
	}
	name := key
	for _, k := range slices.Backward(keys[3:]) {
		name = k + "." + name
	}
	u, f := &users[len(users)-1], fields[name]
	switch v := v.(type) {
	case string:
		switch {
		case f != nil && f.text != nil:
			*f.text(u) = v
		case f != nil && f.stamp != nil:
			t, err := parseTime([]byte(v))
			*f.stamp(u) = t
			return err
		}
	case bool:
		if f != nil && f.flag != nil {
			*f.flag(u) = v
		}
	}
	return nil
}

// TestWaysAgree shows that what the benchmark compares reads the same users.
func TestWaysAgree(t *testing.T) {
	page := benchPage(3, 0)
	want, _, err := testDecoder(t, nil).page(bytes.NewReader(page), nil, maxPage)
	if err != nil {
		t.Fatal(err)
	}
	got, err := stdTokens(stdjson.NewDecoder(bytes.NewReader(page)))
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}

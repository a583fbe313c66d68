package crm

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Fields says which of the wanted fields of User the org shows us. What is not in
// Select is unknown, never empty: hold what depends on it.
type Fields struct {
	Select  []string // can be read
	Missing []string // wanted, but deleted or hidden: most often a permission that was lost
	Absent  []string // not there, as is usual where the org has not switched their feature on
}

// describeCache is the last describe, and what to say to be told "not modified".
type describeCache struct {
	fields Fields
	types  map[string]string // of the custom fields
	since  string
	at     time.Time // when it was read in full
}

// describeAge is after how long a describe is read in full though Salesforce may say
// "not modified": that it says so of a permission given back is not documented.
const describeAge = 6 * time.Hour

type fieldInfo struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Relation string `json:"relationshipName"`
}

// Describe asks which of the standard fields and Config.CustomFields can be read. A
// field without which nothing can be decided is a *FieldsError. It costs a call, a
// small one while nothing has changed.
func (c *Client) Describe(ctx context.Context) (Fields, error) {
	c.mu.Lock()
	cached := c.described
	c.mu.Unlock()
	if time.Since(cached.at) > describeAge {
		cached = describeCache{}
	}
	r := request{op: opDescribe, path: c.data("/sobjects/User/describe")}
	if cached.since != "" {
		r.header = map[string]string{"If-Modified-Since": cached.since}
	}
	fresh := cached
	_, err := c.call(ctx, r, func(resp *http.Response) error {
		if resp.StatusCode == http.StatusNotModified && cached.since != "" {
			return nil
		}
		var body struct {
			Name   string      `json:"name"`
			Fields []fieldInfo `json:"fields"`
		}
		if err := json.UnmarshalRead(resp.Body, &body); err != nil {
			return err
		}
		if body.Name != "User" || len(body.Fields) == 0 {
			return shape("no description of User")
		}
		fresh = describeCache{fields: c.sort(body.Fields), types: c.types(body.Fields), since: resp.Header.Get("Last-Modified"), at: time.Now()}
		if fresh.since == "" {
			fresh.since = resp.Header.Get("Date")
		}
		return nil
	})
	if err != nil {
		return Fields{}, fmt.Errorf("describe user: %w", err)
	}
	for i := range columns {
		if name := columns[i].name; columns[i].mandatory && !slices.Contains(fresh.fields.Select, name) {
			return Fields{}, fmt.Errorf("describe user: %w", &FieldsError{Missing: fresh.fields.mandatoryMissing()})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.described = fresh
	return fresh.fields.clone(), nil
}

// forget makes the next Describe a full one: a query has just shown that what we know
// of the fields is wrong.
func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.described = describeCache{}
}

func (c *Client) types(infos []fieldInfo) map[string]string {
	types := map[string]string{}
	for _, i := range infos {
		if slices.Contains(c.cfg.CustomFields, i.Name) {
			types[i.Name] = i.Type
		}
	}
	return types
}

// customTypes returns the types of the custom fields, by a describe if there was none.
func (c *Client) customTypes(ctx context.Context) (map[string]string, error) {
	known := func() map[string]string {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.described.types
	}
	if types := known(); types != nil || len(c.cfg.CustomFields) == 0 {
		return types, nil
	}
	if _, err := c.Describe(ctx); err != nil {
		return nil, err
	}
	return known(), nil
}

func (c *Client) sort(infos []fieldInfo) Fields {
	var f Fields
	types, parents := make(map[string]string, len(infos)), map[string]bool{}
	for _, i := range infos {
		types[i.Name] = i.Type
		parents[i.Relation] = true
	}
	for i := range columns {
		name := columns[i].name
		parent, _, dotted := strings.Cut(name, ".")
		_, plain := types[name]
		switch {
		case dotted && parents[parent], plain:
			f.Select = append(f.Select, name)
		case byFeature[name]:
			f.Absent = append(f.Absent, name)
		default:
			f.Missing = append(f.Missing, name)
		}
	}
	for _, name := range c.cfg.CustomFields {
		switch types[name] {
		case "", "address", "location", "base64", "complexvalue": // none, or not one value
			f.Missing = append(f.Missing, name)
		default:
			f.Select = append(f.Select, name)
		}
	}
	return f
}

func (f Fields) mandatoryMissing() []string {
	var names []string
	for i := range columns {
		if columns[i].mandatory && slices.Contains(f.Missing, columns[i].name) {
			names = append(names, columns[i].name)
		}
	}
	return names
}

func (f Fields) clone() Fields {
	return Fields{slices.Clone(f.Select), slices.Clone(f.Missing), slices.Clone(f.Absent)}
}

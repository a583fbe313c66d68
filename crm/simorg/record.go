package simorg

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// jsonBody decodes the body of a data call.
func (c *call) jsonBody(into any) *apiError {
	if !c.inner {
		t, _, err := mime.ParseMediaType(c.req.Header.Get("Content-Type"))
		if err != nil || t != "application/json" {
			return &apiError{
				http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE",
				"The content-type header of the request is missing or not supported",
			}
		}
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return &apiError{400, "JSON_PARSER_ERROR", "The HTTP entity body is not a valid JSON document"}
	}
	return nil
}

// columns resolves the field list of a retrieve.
func (o *Org) columns(t *table, names []string) ([]selected, *apiError) {
	b := &binder{o: o, t: t}
	var sel []selected
	for _, name := range names {
		name = strings.TrimSpace(name)
		p, bad := b.path(token{kind: tokIdent, text: name})
		if bad != nil || len(p.hops) > 0 && o.opt.FlatRetrieve {
			return nil, &apiError{400, "INVALID_FIELD", "No such column '" + name + "' on sobject of type " + t.name}
		}
		if !hasSelected(sel, p) {
			sel = appendSelected(sel, p)
		}
	}
	return sel, nil
}

// record answers GET of one record by id.
func (c *call) record() *reply {
	t, bad := c.objectArg()
	if bad != nil {
		return bad.reply()
	}
	var names []string
	if list := c.param("fields"); list != "" {
		names = strings.Split(list, ",")
	} else {
		for _, f := range t.all() {
			if !c.o.faults.hides(t, f) {
				names = append(names, f.name)
			}
		}
	}
	sel, bad := c.o.columns(t, names)
	if bad != nil {
		return bad.reply()
	}
	if id := (&path{f: t.byName["id"]}); !hasSelected(sel, id) {
		sel = appendSelected(sel, id)
	}
	c.o.mu.RLock()
	defer c.o.mu.RUnlock()
	v := &c.o.live
	var r row
	if !v.lookup(t, c.args[1], &r) {
		return (&apiError{http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + c.args[1]}).reply()
	}
	return &reply{status: http.StatusOK, body: newEncoder(v, c.version).record(nil, &r, sel), limits: true}
}

// lookup moves r to the visible row of an id.
func (v *view) lookup(t *table, id string, r *row) bool {
	full, ok := normalID(id)
	if !ok {
		return false
	}
	i, ok := v.find(t, full)
	return ok && v.at(t, i, r)
}

// collections answers many records by id, in the order of the ids; null where one is invalid or invisible.
func (c *call) collections() *reply {
	var in struct {
		IDs    []string `json:"ids"`
		Fields []string `json:"fields"`
	}
	t, ok := c.o.tableNamed(c.args[0])
	if !ok {
		return (&apiError{http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist"}).reply()
	}
	if c.method == http.MethodGet {
		in.IDs, in.Fields = strings.Split(c.param("ids"), ","), strings.Split(c.param("fields"), ",")
	} else if bad := c.jsonBody(&in); bad != nil {
		return bad.reply()
	}
	switch {
	case len(in.IDs) == 0 || in.IDs[0] == "":
		return (&apiError{400, "REQUIRED_FIELD_MISSING", "ids: required parameter missing"}).reply()
	case len(in.Fields) == 0 || in.Fields[0] == "":
		return (&apiError{400, "REQUIRED_FIELD_MISSING", "fields: required parameter missing"}).reply()
	case len(in.IDs) > maxPage:
		return (&apiError{400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 2000 records into this call"}).reply()
	}
	sel, bad := c.o.columns(t, in.Fields)
	if bad != nil {
		return bad.reply()
	}
	c.o.mu.RLock()
	defer c.o.mu.RUnlock()
	v := &c.o.live
	e := newEncoder(v, c.version)
	b := make([]byte, 0, 256+len(in.IDs)*1024)
	b = append(b, '[')
	var r row
	empty := c.fault != nil && c.fault.Kind == EmptyResult
	for k, id := range in.IDs {
		if k > 0 {
			b = append(b, ',')
		}
		if !empty && v.lookup(t, id, &r) {
			b = e.record(b, &r, sel)
		} else {
			b = append(b, "null"...)
		}
	}
	return &reply{status: http.StatusOK, body: append(b, ']'), limits: true}
}

func (c *call) recordDelete() *reply {
	return (&apiError{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method 'DELETE' not allowed. Allowed are GET,HEAD,PATCH"}).reply()
}

// author is the user of the session, with the name that the client has given itself.
func (c *call) author() author {
	by := author{c.o.gen.id(c.sess.user), "com/salesforce/api/rest/" + c.version}
	for opt := range strings.SplitSeq(c.req.Header.Get("Sforce-Call-Options"), ",") {
		key, name, _ := strings.Cut(strings.TrimSpace(opt), "=")
		if strings.EqualFold(strings.TrimSpace(key), "client") && name != "" {
			by.origin += ";client=" + strings.TrimSpace(name)
		}
	}
	return by
}

func (c *call) recordUpdate() *reply {
	t, bad := c.objectArg()
	if bad != nil {
		return bad.reply()
	}
	var in map[string]json.RawMessage
	if bad := c.jsonBody(&in); bad != nil {
		return bad.reply()
	}
	if t != c.o.users {
		return (&apiError{400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type " + t.name + " cannot be updated here"}).reply()
	}
	set, rep := c.o.setters(in)
	if rep != nil {
		return rep
	}
	err := c.o.massUpdate([]string{c.args[1]}, c.author(), set)
	switch {
	case errors.Is(err, ErrNotFound):
		return notFound().reply()
	case errors.Is(err, ErrDuplicateUsername):
		return duplicateUsername()
	case err != nil:
		return (&apiError{500, "UNKNOWN_EXCEPTION", err.Error()}).reply()
	}
	return &reply{status: http.StatusNoContent, limits: true}
}

func duplicateUsername() *reply {
	return (&apiError{
		400, "DUPLICATE_USERNAME",
		"Duplicate Username.<br>The username already exists in this or another Salesforce organization. Usernames must be unique across all Salesforce organizations.",
	}).withFields("Username")
}

func (c *call) recordCreate() *reply {
	t, bad := c.objectArg()
	if bad != nil {
		return bad.reply()
	}
	var in map[string]json.RawMessage
	if bad := c.jsonBody(&in); bad != nil {
		return bad.reply()
	}
	if t != c.o.users {
		return (&apiError{400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type " + t.name + " cannot be inserted here"}).reply()
	}
	set, rep := c.o.setters(in)
	if rep != nil {
		return rep
	}
	u := User{IsActive: true}
	set(&u)
	var missing []string
	for _, f := range []struct{ name, val string }{
		{"Username", u.Username},
		{"LastName", u.LastName},
		{"Email", u.Email},
		{"Alias", u.Alias},
		{"TimeZoneSidKey", u.TimeZoneSidKey},
		{"LocaleSidKey", u.LocaleSidKey},
		{"EmailEncodingKey", u.EmailEncodingKey},
		{"ProfileId", u.ProfileID},
		{"LanguageLocaleKey", u.LanguageLocaleKey},
	} {
		if f.val == "" {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		return (&apiError{400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [" + strings.Join(missing, ", ") + "]"}).withFields(missing...)
	}
	id, err := c.o.addUser(u, c.author())
	if err != nil {
		return duplicateUsername()
	}
	return jsonReply(http.StatusCreated, map[string]any{"id": id, "success": true, "errors": []string{}})
}

// SetFields edits users in one transaction by API field names, as a PATCH of each record does: values are strings,
// booleans, numbers or nil. What it refuses, it refuses in Salesforce's words.
func (o *Org) SetFields(ids []string, fields map[string]any) error {
	set, err := o.fieldEdit(fields)
	if err != nil {
		return err
	}
	return o.MassUpdate(ids, set)
}

// LateFields is [Org.LateCommit] with values by API field names, as of SetFields.
func (o *Org) LateFields(d time.Duration, ids []string, fields map[string]any) error {
	set, err := o.fieldEdit(fields)
	if err != nil {
		return err
	}
	return o.LateCommit(d, ids, set)
}

// AddUserFields is AddUser with further values by API field names, as of SetFields.
func (o *Org) AddUserFields(u User, fields map[string]any) (string, error) {
	set, err := o.fieldEdit(fields)
	if err != nil {
		return "", err
	}
	set(&u)
	return o.AddUser(u)
}

func (o *Org) fieldEdit(fields map[string]any) (func(u *User), error) {
	in := make(map[string]json.RawMessage, len(fields))
	for k, v := range fields {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encode field %s: %w", k, err)
		}
		in[k] = b
	}
	set, rep := o.setters(in)
	if rep != nil {
		return nil, errors.New(string(rep.body))
	}
	return set, nil
}

// setters checks the fields of a write and returns the edit.
func (o *Org) setters(in map[string]json.RawMessage) (func(u *User), *reply) {
	type assign struct {
		f *field
		v value
	}
	var all []assign
	for name, rawValue := range in {
		f := o.fieldOf(name)
		switch {
		case name == "attributes":
			continue
		case f == nil || o.faults.hides(o.users, f):
			return nil, (&apiError{400, "INVALID_FIELD", "No such column '" + name + "' on sobject of type User"}).reply()
		case !f.updateable || f.set == nil:
			return nil, (&apiError{
				400, "INVALID_FIELD_FOR_INSERT_UPDATE",
				"Unable to create/update fields: " + f.name + ". Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
			}).withFields(f.name)
		}
		v, bad := f.parseJSON(rawValue)
		if bad == nil {
			bad = o.checkWrite(f, v)
		}
		if bad != nil {
			return nil, bad.withFields(f.name)
		}
		all = append(all, assign{f, v})
	}
	return func(u *User) {
		for _, a := range all {
			a.f.set(u, a.v)
		}
	}, nil
}

func (o *Org) checkWrite(f *field, v value) *apiError {
	switch {
	case v.k == null && !f.nillable:
		return &apiError{400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [" + f.name + "]"}
	case f.textual() && f.length > 0 && utf8.RuneCountInString(v.s) > f.length:
		return &apiError{400, "STRING_TOO_LONG", f.label + ": data value too large: (max length=" + itoa(f.length) + ")"}
	case f.typ == "email" && v.k != null && !strings.Contains(v.s, "@"):
		return &apiError{400, "INVALID_EMAIL_ADDRESS", f.label + ": invalid email address: " + v.s}
	case f.isID() && v.k != null:
		to, known := o.tables[strings.ToLower(f.refTo)]
		o.mu.RLock()
		defer o.mu.RUnlock()
		if _, ok := o.live.findRef(to, known, v.s); !ok {
			return &apiError{400, "MALFORMED_ID", f.label + ": id value of incorrect type: " + v.s}
		}
	}
	return nil
}

// findRef finds a reference's target; ids of objects that the org does not hold count as found.
func (v *view) findRef(t *table, known bool, id string) (int, bool) {
	if !known {
		return 0, true
	}
	return v.find(t, id)
}

func (f *field) parseJSON(rawValue json.RawMessage) (value, *apiError) {
	bad := &apiError{400, "JSON_PARSER_ERROR", "Cannot deserialize instance of " + f.typ + " from " + string(rawValue)}
	var x any
	if json.Unmarshal(rawValue, &x) != nil {
		return value{}, bad
	}
	switch x := x.(type) {
	case nil:
		return value{}, nil
	case bool:
		if f.typ == "boolean" {
			return boolValue(x), nil
		}
	case float64:
		if f.typ == "double" && !math.IsInf(x, 0) {
			return doubleValue(x), nil
		}
	case string:
		switch {
		case f.textual():
			return textValue(x), nil
		case f.isID():
			id, ok := normalID(x)
			if x == "" || ok {
				return textValue(id), nil
			}
		case f.typ == "date":
			if t, err := time.Parse(dateLayout, x); err == nil {
				return dateValue(t), nil
			}
		}
	}
	return value{}, bad
}

package simorg

import (
	"net/http"
	"strings"
	"time"
)

// soapTypes maps the describe type of a field; all else is a string.
func soapType(typ string) string {
	switch typ {
	case "id", "reference":
		return "tns:ID"
	case "boolean", "double", "date", "int":
		return "xsd:" + typ
	case "datetime":
		return "xsd:dateTime"
	case "address":
		return "urn:address"
	default:
		return "xsd:string"
	}
}

func (c *call) objectArg() (*table, *apiError) {
	t, ok := c.o.tableNamed(c.args[0])
	if !ok {
		return nil, notFound()
	}
	return t, nil
}

func (c *call) describe() *reply {
	t, bad := c.objectArg()
	if bad != nil {
		return bad.reply()
	}
	c.o.mu.RLock()
	changed := c.o.schemaAt.UTC().Truncate(time.Second)
	c.o.mu.RUnlock()
	if since, err := http.ParseTime(c.req.Header.Get("If-Modified-Since")); err == nil && !c.inner && !changed.After(since) {
		return (&reply{status: http.StatusNotModified, limits: true}).with("Last-Modified", changed.Format(http.TimeFormat))
	}
	fields := []map[string]any{}
	for _, f := range t.all() {
		if !c.o.faults.hides(t, f) {
			fields = append(fields, c.o.describeField(t, f))
		}
	}
	base := "/services/data/v" + c.version + "/sobjects/" + t.name
	return jsonReply(http.StatusOK, map[string]any{
		"name": t.name, "label": t.label, "labelPlural": t.label + "s", "keyPrefix": t.prefix, "custom": false,
		"queryable": true, "retrieveable": true, "replicateable": t == c.o.users, "searchable": t == c.o.users, "layoutable": true,
		"createable": t == c.o.users, "updateable": t == c.o.users || t == c.o.logins, "deletable": false, "undeletable": false,
		"mergeable": false, "triggerable": t == c.o.users, "feedEnabled": t == c.o.users, "activateable": false,
		"deprecatedAndHidden": false, "fields": fields, "childRelationships": []any{}, "recordTypeInfos": []any{},
		"urls": map[string]string{"sobject": base, "describe": base + "/describe", "rowTemplate": base + "/{ID}"},
	}).with("Last-Modified", changed.Format(http.TimeFormat))
}

func (o *Org) describeField(t *table, f *field) map[string]any {
	picks := []map[string]any{}
	for _, p := range f.picklist {
		picks = append(picks, map[string]any{"active": true, "defaultValue": false, "label": p, "value": p, "validFor": nil})
	}
	refs := []string{}
	if f.refTo != "" {
		refs = append(refs, f.refTo)
	}
	var rel any
	if f.rel != "" {
		rel = f.rel
	}
	bytes := f.length
	if f.textual() {
		bytes *= 3
	}
	digits := 0
	if f.typ == "int" {
		digits = 8
	}
	return map[string]any{
		"name": f.name, "label": f.label, "type": f.typ, "soapType": soapType(f.typ), "length": f.length, "byteLength": bytes,
		"nillable": f.nillable, "custom": f.custom, "calculated": f.calculated, "unique": f.unique,
		"filterable": !f.unfiltered, "sortable": !f.unfiltered, "groupable": !f.unfiltered && f.typ != "datetime" && f.typ != "double",
		"aggregatable": !f.unfiltered && f.typ != "boolean",
		"createable":   f.updateable, "updateable": f.updateable, "idLookup": f.name == "Id" || f.name == "Username",
		"referenceTo": refs, "relationshipName": rel, "picklistValues": picks, "restrictedPicklist": len(picks) > 0,
		"compoundFieldName": compound(t, f), "digits": digits, "precision": map[bool]int{true: 18}[f.typ == "double"],
		"scale": map[bool]int{true: 2}[f.typ == "double"], "nameField": f.name == "Name", "autoNumber": false,
		"caseSensitive": false, "defaultedOnCreate": f.typ == "boolean", "deprecatedAndHidden": false, "encrypted": false,
		"externalId": false, "htmlFormatted": false, "namePointing": false, "permissionable": f.custom,
		"queryByDistance": false, "extraTypeInfo": nil, "calculatedFormula": nil, "controllerName": nil, "defaultValue": nil,
		"inlineHelpText": nil,
	}
}

func compound(t *table, f *field) any {
	if t.name != "User" {
		return nil
	}
	switch f.name {
	case "FirstName", "LastName":
		return "Name"
	case "Street", "City", "State", "StateCode", "PostalCode", "Country", "CountryCode":
		return "Address"
	}
	return nil
}

// schemaChanged makes the next conditional describe answer in full.
func (o *Org) schemaChanged() {
	o.mu.Lock()
	defer o.mu.Unlock()
	// Last-Modified has whole seconds: a change must show even to who described within this one.
	next := o.now().UTC().Truncate(time.Second)
	if !next.After(o.schemaAt) {
		next = o.schemaAt.Add(time.Second)
	}
	o.schemaAt = next
}

// fieldKey names a field for the hidden set.
func fieldKey(object, field string) string { return strings.ToLower(object + "." + field) }

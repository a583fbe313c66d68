package events

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/avro"

	"github.com/rosterd/rosterd/crm"
)

// Who is meant by an event that concerns nobody in particular.
const (
	wildcard = "005*"
	overflow = "000000000000000AAA"
	entity   = "User"
	headerAt = "ChangeEventHeader"
)

// schema reads events that were written with it.
type schema struct {
	avro   *avro.Schema
	fields []field
}

// field is one of an event, with the names of its parts if it is a compound.
type field struct {
	name  string
	parts []string
}

func parseSchema(text string) (*schema, error) {
	parsed, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	s := &schema{avro: parsed}
	for _, f := range parsed.Root().ExpandReferences().Fields {
		s.fields = append(s.fields, field{f.Name, partsOf(&f.Type)})
	}
	return s, nil
}

// partsOf names the fields of the record that a field is, or is a union with.
func partsOf(n *avro.SchemaNode) []string {
	for i := range n.Branches {
		if parts := partsOf(&n.Branches[i]); parts != nil {
			return parts
		}
	}
	var parts []string
	for _, f := range n.Fields {
		parts = append(parts, f.Name)
	}
	return parts
}

// change reads an event. What Salesforce adds to events later is passed over;
// ok is false for events of other entities.
func (s *schema) change(payload []byte) (c Change, ok bool, err error) {
	var body any
	rest, err := s.avro.Decode(payload, &body)
	switch {
	case err != nil:
		return c, false, fmt.Errorf("decode event: %w", err)
	case len(rest) > 0:
		return c, false, fmt.Errorf("decode event: %d bytes too many", len(rest))
	}
	event, _ := body.(map[string]any)
	head, _ := event[headerAt].(map[string]any)
	if head == nil {
		return c, false, fmt.Errorf("decode event: no %s", headerAt)
	}
	if name, _ := head["entityName"].(string); name != entity {
		return c, false, nil
	}
	kind, _ := head["changeType"].(string)
	c.Kind = kindOf(kind)
	for _, id := range texts(head["recordIds"]) {
		if id == wildcard || id == overflow {
			c.Everyone = true
			continue
		}
		parsed, err := crm.ParseID(id)
		if err != nil {
			return c, false, fmt.Errorf("decode event: %w", err)
		}
		c.IDs = append(c.IDs, parsed)
	}
	c.Everyone = c.Everyone || c.Kind == KindOverflow
	if len(c.IDs) == 0 && !c.Everyone {
		return c, false, fmt.Errorf("decode event: it concerns nobody")
	}
	if ms, _ := head["commitTimestamp"].(int64); ms > 0 {
		c.Committed = time.UnixMilli(ms).UTC()
	}
	if c.Kind == KindUpdate {
		c.Fields = s.updated(head)
	}
	return c, true, nil
}

// updated names what an update changed or cleared. Where the header does not
// say so in a way that is understood, anything may have.
func (s *schema) updated(head map[string]any) []string {
	names, err := s.names(slices.Concat(texts(head["changedFields"]), texts(head["nulledFields"]), texts(head["diffFields"])))
	if err != nil || len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func kindOf(text string) Kind {
	switch text {
	case "CREATE":
		return KindCreate
	case "UPDATE":
		return KindUpdate
	case "DELETE":
		return KindDelete
	case "UNDELETE":
		return KindUndelete
	case "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE":
		return KindGap
	case "GAP_OVERFLOW":
		return KindOverflow
	}
	return KindOther
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

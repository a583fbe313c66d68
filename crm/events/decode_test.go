package events

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// encode writes an event with a schema: header values over usual ones.
func encode(t *testing.T, s *schema, head map[string]any) []byte {
	t.Helper()
	h := map[string]any{
		"entityName": "User", "recordIds": []any{"0055f00000GBZR4AAP"}, "changeType": "UPDATE", "commitTimestamp": int64(1714155903000),
		"commitNumber": int64(1652977933433528300), "nulledFields": []any{}, "diffFields": []any{}, "changedFields": []any{},
	}
	maps.Copy(h, head)
	raw, err := s.avro.Encode(map[string]any{"ChangeEventHeader": h})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestChange(t *testing.T) {
	s, _ := userSchema(t)
	const first, second = "0055f00000GBZR4AAP", "0055f00000GBZR5AAP"
	at := time.UnixMilli(1714155903000).UTC()
	for _, tc := range []struct {
		name string
		head map[string]any
		want Change
	}{
		{
			"update",
			map[string]any{"nulledFields": []any{"0x010000"}, "changedFields": []any{"0x010000210000"}},
			Change{Kind: KindUpdate, IDs: []string{first}, Fields: []string{"IsActive", "LastModifiedDate", "Phone"}, Committed: at},
		},
		{"merged", map[string]any{"recordIds": []any{first, second}, "changedFields": []any{"0x40"}}, Change{Kind: KindUpdate, IDs: []string{first, second}, Fields: []string{"Title"}, Committed: at}},
		{"update of nobody knows what", nil, Change{Kind: KindUpdate, IDs: []string{first}, Committed: at}},
		{"bitmap not understood", map[string]any{"changedFields": []any{"what"}}, Change{Kind: KindUpdate, IDs: []string{first}, Committed: at}},
		{"create", map[string]any{"changeType": "CREATE"}, Change{Kind: KindCreate, IDs: []string{first}, Committed: at}},
		{"gap", map[string]any{"changeType": "GAP_UPDATE"}, Change{Kind: KindGap, IDs: []string{first}, Committed: at}},
		{"overflow", map[string]any{"changeType": "GAP_OVERFLOW", "recordIds": []any{"000000000000000AAA"}}, Change{Kind: KindOverflow, Everyone: true, Committed: at}},
		{"wildcard", map[string]any{"recordIds": []any{"005*"}}, Change{Kind: KindUpdate, Everyone: true, Committed: at}},
		{"reserved", map[string]any{"changeType": "SNAPSHOT"}, Change{Kind: KindOther, IDs: []string{first}, Committed: at}},
	} {
		got, ok, err := s.change(encode(t, s, tc.head))
		if err != nil || !ok {
			t.Errorf("%s: %t, %v", tc.name, ok, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if _, ok, err := s.change(encode(t, s, map[string]any{"entityName": "Account"})); ok || err != nil {
		t.Errorf("an event of another entity: got %t, %v", ok, err)
	}
}

func TestChangeRefuses(t *testing.T) {
	s, _ := userSchema(t)
	other, _ := userSchema(t, "Region__c")
	whole := encode(t, s, nil)
	for name, payload := range map[string][]byte{
		"cut short":      whole[:len(whole)/2],
		"trailing":       append(append([]byte{}, whole...), 0),
		"another schema": encode(t, other, nil),
		"not an id":      encode(t, s, map[string]any{"recordIds": []any{"nobody"}}),
		"nobody":         encode(t, s, map[string]any{"recordIds": []any{}}),
		"empty":          nil,
	} {
		if c, ok, err := s.change(payload); err == nil {
			t.Errorf("%s: got %v, %t, want an error", name, c, ok)
		}
	}
}

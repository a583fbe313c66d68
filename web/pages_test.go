package web

import "testing"

func TestEveryPageParses(t *testing.T) {
	all, err := parse(files)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Errorf("got %d pages, want all", len(all))
	}
	for name, parsed := range all {
		if page, err := parsed(); err != nil || page.Lookup("layout") == nil {
			t.Errorf("page %s: got %v, want one with a layout", name, err)
		}
	}
}

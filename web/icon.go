package web

import (
	"fmt"
	"html/template"
)

// icons are the paths of small pictures, 16 by 16, drawn with a line.
func icons() map[string]string {
	return map[string]string{
		"users":    "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M11 2.800a2.5 2.5 0 0 1 0 4.400M12.3 9.800c1.4.5 2.2 1.8 2.2 3.7",
		"add":      "M6 7.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM1.5 13.500c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M13 4.500v5M10.5 7h5",
		"sync":     "M13.5 6.500A5.8 5.8 0 0 0 3 5M2.5 9.500A5.8 5.8 0 0 0 13 11M3 2v3h3M13 14v-3h-3",
		"seat":     "M2 6V3.500h12V6a2 2 0 0 0 0 4v2.500H2V10a2 2 0 0 0 0-4ZM9.5 4v1.500M9.5 7.300v1.500M9.5 10.500V12",
		"activity": "M1.5 8h3L6.5 3l3 10 2-5h3",
		"leave":    "M9.5 2.500h-7v11h7M6.5 8h8M12 5.5 14.5 8 12 10.5",
		"bell":     "M3.5 11.500V7a4.5 4.5 0 0 1 9 0v4.500l1 1h-11l1-1ZM6.5 14.500h3",
		"health":   "M8 14s-6-3.5-6-7.800A3.2 3.2 0 0 1 8 4.500a3.2 3.2 0 0 1 6 1.700C14 10.5 8 14 8 14Z",
		"lock":     "M3.5 7.500h9v6h-9v-6ZM5.5 7.500V5a2.5 2.5 0 0 1 5 0v2.5",
		"search":   "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.8 10.8 14 14",
		"menu":     "M2 4h12M2 8h12M2 12h12",
		"check":    "M3 8.5 6.5 12 13 4.5",
		"session":  "M2 3h12v8H2V3ZM5.5 14h5M8 11v3",
		"gear":     "M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.400ZM8 1.500v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.400l1.4 1.400M11.2 11.200l1.4 1.400M3.4 12.600l1.4-1.400M11.2 4.800l1.4-1.4",
		"mass":     "M2 3.500h7M2 8h7M2 12.500h7M11 8l1.5 1.500L15 6.5",
		"phone":    "M3 2.500h2.500l1.2 3.300-1.600 1.300a8.500 8.500 0 0 0 3.800 3.800l1.300-1.600 3.300 1.200V13c0 .6-.5 1-1 1A10.500 10.500 0 0 1 2 3.500c0-.5.4-1 1-1Z",
		"group":    "M2 2.500h5v5H2v-5ZM9 2.500h5v5H9v-5ZM2 9.500h5v4H2v-4ZM9 9.500h5v4H9v-4Z",
	}
}

// icon draws one. It says nothing: the words beside it do.
func icon(known map[string]string) func(string) template.HTML {
	return func(name string) template.HTML {
		return template.HTML(fmt.Sprintf( //nolint:gosec // from the table above
			`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.4" `+
				`stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="%s"/></svg>`, known[name]))
	}
}

package web

import (
	"net/http"
	"slices"
	"time"
)

const (
	prefsCookie = "rosterd_look"
	prefsAge    = 365 * 24 * time.Hour
)

// prefs are how a person wants to see the console. They are kept in a cookie.
type prefs struct {
	Theme string // light, dark, or "" for what the system says
	Keys  string // on, or off for no single-key shortcuts
}

func readPrefs(r *http.Request) prefs {
	p := prefs{Keys: "on"}
	cookie, err := r.Cookie(prefsCookie)
	if err != nil {
		return p
	}
	switch cookie.Value {
	case "light", "dark":
		p.Theme = cookie.Value
	case "light-nokeys", "dark-nokeys":
		p.Theme, p.Keys = cookie.Value[:len(cookie.Value)-len("-nokeys")], "off"
	case "-nokeys":
		p.Keys = "off"
	}
	return p
}

func (p prefs) value() string {
	if p.Keys == "off" {
		return p.Theme + "-nokeys"
	}
	return p.Theme
}

// preferences changes one and returns to the page.
func (c *Console) preferences(w http.ResponseWriter, r *http.Request) {
	p := readPrefs(r)
	if theme := r.PostFormValue("theme"); r.PostForm.Has("theme") && slices.Contains([]string{"", "light", "dark"}, theme) {
		p.Theme = theme
	}
	if keys := r.PostFormValue("keys"); keys == "on" || keys == "off" {
		p.Keys = keys
	}
	setCookie(w, r, prefsCookie, p.value(), prefsAge)
	http.Redirect(w, r, within(r.PostFormValue("to")), http.StatusSeeOther)
}

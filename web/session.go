package web

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	sessionCookie = "rosterd_session"
	sessionIdle   = 30 * time.Minute // without a page
	sessionMost   = 12 * time.Hour   // a working day, whatever happens
	maxSessions   = 10_000           // in memory: about 1 kB each
	maxPicked     = 50_000           // users that one person can have ticked
)

// session is one login. It lives in memory only: a restart of the daemon logs
// everybody out.
type session struct {
	token  string // never shown, never logged
	began  time.Time
	mu     sync.Mutex // guards what follows
	seen   time.Time
	notes  []note
	picked map[string]map[string]struct{}    // ticked users, by org
	own    map[string]map[string]ownSettings // of people about to be added, by org
}

// note is a message that the next page shows once.
type note struct {
	Kind string // ok, warn or bad
	Text string
	Hint string
}

// sessions are kept by the hash of their cookie, so that a dump of the memory
// gives no cookie.
type sessions struct {
	mu   sync.Mutex // guards list
	list map[[sha256.Size]byte]*session
}

func newSessions() *sessions { return &sessions{list: map[[sha256.Size]byte]*session{}} }

// open starts a session and returns its cookie's value.
func (s *sessions) open(token string) string {
	secret := rand.Text() + rand.Text()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, one := range s.list {
		if one.over(now) {
			delete(s.list, k)
		}
	}
	if len(s.list) >= maxSessions { // a flood of logins with a good token ends the oldest ones
		oldest := sha256.Sum256(nil)
		var at time.Time
		for k, one := range s.list {
			if at.IsZero() || one.began.Before(at) {
				oldest, at = k, one.began
			}
		}
		delete(s.list, oldest)
	}
	s.list[sha256.Sum256([]byte(secret))] = &session{token: token, began: now, seen: now, picked: map[string]map[string]struct{}{}, own: map[string]map[string]ownSettings{}}
	return secret
}

// find returns the session of a request, nil when there is none or it is over.
// Looking at a page keeps it alive; a stream that a page opened does not.
func (s *sessions) find(r *http.Request, alive bool) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	key := sha256.Sum256([]byte(cookie.Value))
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.list[key]
	if one == nil {
		return nil
	}
	if one.over(now) {
		delete(s.list, key)
		return nil
	}
	if alive {
		one.mu.Lock()
		one.seen = now
		one.mu.Unlock()
	}
	return one
}

func (s *sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.list, sha256.Sum256([]byte(cookie.Value)))
	}
}

func (s *session) over(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.seen) >= sessionIdle || now.Sub(s.began) >= sessionMost
}

func (s *session) say(n note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, n)
}

// heard returns the messages that wait, once.
func (s *session) heard() []note {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := s.notes
	s.notes = nil
	return notes
}

// pick makes those of shown that are in ticked picked, and the others not. It
// reports whether all of them had room.
func (s *session) pick(org string, shown, ticked []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.picked[org]
	if set == nil {
		set = map[string]struct{}{}
		s.picked[org] = set
	}
	for _, id := range shown {
		delete(set, id)
	}
	for _, id := range ticked {
		if len(set) >= maxPicked {
			return false
		}
		set[id] = struct{}{}
	}
	return true
}

func (s *session) unpick(org string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.picked, org)
}

// chosen lists who is picked, sorted.
func (s *session) chosen(org string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.picked[org]))
	for id := range s.picked[org] {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// setCookie sends a cookie that scripts cannot read and other sites do not
// send. Over TLS, also that of a proxy in front, it never travels in the clear.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
}

package simorg

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// session is one access token.
type session struct {
	token         string
	instance      string // the instance URL that came with it
	user          int
	created, used time.Time
	dead          bool
}

// maxLogins is how many tokens an hour one user may ask for.
const maxLogins = 3600

// sessionLocked finds a live session and moves its timeout along.
func (o *Org) sessionLocked(token string, now time.Time) *session {
	s := o.sessions[token]
	if s == nil || o.expiredLocked(s, now) || !o.userLocked(s.user).IsActive {
		return nil
	}
	s.used = now
	return s
}

func (o *Org) expiredLocked(s *session, now time.Time) bool {
	return s.dead || now.Sub(s.used) >= o.opt.SessionTTL
}

// openLocked starts a session of a user.
func (o *Org) openLocked(user int, now time.Time) *session {
	o.serial++
	mac := hmac.New(sha256.New, []byte(o.opt.OrgID))
	var n [24]byte
	binary.BigEndian.PutUint64(n[:], o.serial)
	binary.BigEndian.PutUint64(n[8:], o.gen.seed)
	binary.BigEndian.PutUint64(n[16:], uint64(now.UnixNano()))
	mac.Write(n[:])
	opaque := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	s := &session{
		token: o.opt.OrgID[:15] + "!AQEAQ" + opaque + "." + strings.ToUpper(opaque[:20]),
		user:  user, created: now, used: now,
	}
	o.sessions[s.token] = s
	for t, old := range o.sessions {
		if o.expiredLocked(old, now) && now.Sub(old.used) > 4*o.opt.SessionTTL {
			delete(o.sessions, t)
		}
	}
	return s
}

// expireAllLocked ends every session.
func (o *Org) expireAllLocked() {
	for _, s := range o.sessions {
		s.dead = true
	}
}

// identityURL is the id of a user, as tokens and userinfo spell it.
func (o *Org) identityURL(base, userID string) string {
	return base + "/id/" + o.opt.OrgID + "/" + userID
}

func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func (o *Org) signature(id, issued string) string {
	mac := hmac.New(sha256.New, []byte(o.opt.ClientSecret))
	mac.Write([]byte(id + issued))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

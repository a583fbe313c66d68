package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

type contextKey int

// The values that a request's context carries. A handler of the framework sees
// nothing of the request but its context, and a connection's peer is known
// only where the connection is accepted, so both travel there.
const (
	callerKey contextKey = iota
	peerKey
	remoteKey
)

// authenticate finds out who calls. Everything under /v1/ needs a caller; what
// is outside holds nothing personal: health, metrics and the description of
// the API itself.
func (s *Server) authenticate(h http.Handler, trusted bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			h.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == pathAccept { // for whoever holds an invitation
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), remoteKey, r.RemoteAddr)))
			return
		}
		caller, p := s.caller(r, trusted)
		if p != nil {
			p.write(w)
			return
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey, caller)))
	})
}

func (s *Server) caller(r *http.Request, trusted bool) (Caller, *Problem) {
	if trusted {
		name, _ := r.Context().Value(peerKey).(string)
		if name == "" {
			name = "local"
		}
		return Caller{Name: name, Role: Admin, Via: "socket"}, nil
	}
	secret, ok := bearer(r.Header.Get("Authorization"))
	if !ok {
		return Caller{}, unauthorized("a bearer token is needed", `Bearer realm="rosterd"`)
	}
	caller, ok := s.tokens.Load().caller(secret)
	if !ok {
		return Caller{}, unauthorized("the token is not known", `Bearer realm="rosterd", error="invalid_token"`)
	}
	return caller, nil
}

func bearer(header string) (secret string, ok bool) {
	scheme, secret, ok := strings.Cut(header, " ")
	secret = strings.TrimSpace(secret)
	return secret, ok && strings.EqualFold(scheme, "Bearer") && secret != ""
}

func unauthorized(message, challenge string) *Problem {
	p := newProblem(http.StatusUnauthorized, CodeUnauthorized, message,
		"send a token of the daemon's tokens file; rosterctl takes it from --token-file")
	p.header = http.Header{"Www-Authenticate": {challenge}}
	return p
}

func forbidden(c Caller, need Role) *Problem {
	return newProblem(http.StatusForbidden, CodeForbidden,
		fmt.Sprintf("this needs the role %s, and %s has the role %s", need, c.Name, c.Role),
		fmt.Sprintf("use a token with the role %s, or the socket on the daemon's machine", need))
}

// checkHost answers a request that reached a loopback address only if it was
// sent to a loopback name. A page in a browser can make its own host name
// resolve to 127.0.0.1 and then counts as the same site: its name gives it
// away.
func (s *Server) checkHost(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if tcp, ok := local.(*net.TCPAddr); ok && tcp.IP.IsLoopback() && !s.loopbackName(r.Host) {
			newProblem(http.StatusMisdirectedRequest, CodeForbidden, "the request names another host",
				"a loopback address is called by its number or as localhost").write(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (s *Server) loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || slices.Contains(s.o.Hosts, host) {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

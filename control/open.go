package control

import (
	"encoding/json"
	"net/http"
)

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"` // why not, or what a ready daemon waits for
}

// routeOpen registers what needs no token, because it says nothing of people.
func (s *Server) routeOpen() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	s.mux.HandleFunc("GET /readyz", s.readyz)
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		text, err := s.OpenAPI()
		if err != nil {
			problemOf(err).write(w)
			return
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(text)
	})
	if s.o.Metrics != nil {
		s.mux.Handle("GET /metrics", s.o.Metrics)
	}
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	answer := Readiness{Ready: true}
	if s.o.Ready != nil {
		answer = s.o.Ready(r.Context())
	}
	answer.Reasons = append([]string{}, answer.Reasons...) // never null
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

package events

import (
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Whoever reads why there is no connection needs no words of the library that
// failed to make it, and is told what to look at.
func TestNoConnectionIsSaidPlainly(t *testing.T) {
	for _, tt := range []struct{ said, want string }{
		{
			`connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`,
			"no connection: dial tcp 127.0.0.1:1: connect: connection refused",
		},
		{
			`connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority"`,
			"no connection: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority",
		},
		{`connection error: desc = "error reading server preface: http2: frame too large"`, "no connection: error reading server preface: http2: frame too large"},
	} {
		err := errorOf(status.Error(codes.Unavailable, tt.said), nil)
		v := judge(err)
		if err.Error() != tt.want || v.reason != ReasonNetwork || !strings.Contains(v.hint, "pubsub_endpoint") || !strings.Contains(v.hint, "ca_file") {
			t.Errorf("got %q, %+v", err, v)
		}
	}
	passing := errorOf(status.Error(codes.Unavailable, "error reading from server: EOF"), nil)
	if v := judge(passing); v.hint != "" || v.reason != ReasonNetwork {
		t.Errorf("what passes by itself: %+v", v)
	}
}

// A stream that ended without a word has words for it.
func TestEndOfStreamIsSaidPlainly(t *testing.T) {
	follow(t, Options{}, func(t *testing.T, b *bus) {
		l, _ := b.next()
		l.end(io.EOF)
		b.next()
		b.set(func() {
			for _, s := range b.states {
				if s.Phase == PhaseDown && (s.Reason != ReasonClosed || !strings.Contains(s.Err.Error(), "Salesforce ended the stream")) {
					t.Errorf("%s: %v", s.Reason, s.Err)
				}
			}
		})
	})
}

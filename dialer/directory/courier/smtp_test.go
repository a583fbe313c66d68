package courier_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory/courier"
)

// mailServer is a mail server as far as tests need one.
type mailServer struct {
	addr  string
	cert  *tls.Certificate // nil offers no STARTTLS
	roots *x509.CertPool

	mu     sync.Mutex
	refuse string // guarded by mu, as are the others: the answer to RCPT
	hang   bool
	mails  []received
}

type received struct {
	from, to, data, auth string
	private              bool
}

func newMailServer(t *testing.T, private bool) *mailServer {
	t.Helper()
	s := &mailServer{}
	if private {
		s.cert, s.roots = certificate(t)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return s
}

func certificate(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// serve has one conversation.
func (s *mailServer) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	var m received
	in := bufio.NewReader(c)
	say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
	say("220 mail.example.com")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		s.mu.Lock()
		refuse, hang := s.refuse, s.hang
		s.mu.Unlock()
		switch strings.ToUpper(verb) {
		case "EHLO":
			if s.cert != nil && !m.private {
				say("250-mail.example.com\r\n250 STARTTLS")
			} else {
				say("250-mail.example.com\r\n250 AUTH PLAIN")
			}
		case "STARTTLS":
			say("220 go on")
			private := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*s.cert}})
			if private.Handshake() != nil {
				return
			}
			c, in, m.private = private, bufio.NewReader(private), true
		case "AUTH":
			m.auth = rest
			say("235 welcome")
		case "MAIL":
			m.from = rest
			say("250 ok")
		case "RCPT":
			if hang {
				_, _ = in.ReadString('\n') // until the other is tired of it
				return
			}
			if refuse != "" {
				say(refuse)
				continue
			}
			m.to = rest
			say("250 ok")
		case "DATA":
			say("354 go on")
			for {
				text, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if text == ".\r\n" {
					break
				}
				m.data += strings.TrimPrefix(text, ".")
			}
			s.mu.Lock()
			s.mails = append(s.mails, m)
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

func (s *mailServer) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

func (s *mailServer) behave(refuse string, hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.hang = refuse, hang
}

var letter = dialer.Letter{
	Key: "invitation/7/1", To: "testa@example.com", Name: "Testa Prüfer", Username: "testa@acme.example.com",
	Link: "https://dialer.example.com/welcome#7.1.abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", ExpiresAt: time.Date(2026, 5, 11, 9, 0, 0, 0, time.UTC),
}

func TestMail(t *testing.T) {
	s := newMailServer(t, true)
	m, err := courier.NewMail(courier.MailConfig{
		Addr: s.addr, From: "The Dialer <dialer@example.com>", Username: "rosterd", Password: "a secret", TLS: &tls.Config{RootCAs: s.roots},
		RequireTLS: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second attempt of one letter
		if err := m.SendLetter(t.Context(), letter); err != nil {
			t.Fatal(err)
		}
	}
	mails := s.got()
	if len(mails) != 2 || !mails[0].private || mails[0].auth == "" || !strings.Contains(mails[0].from, "<dialer@example.com>") ||
		!strings.Contains(mails[0].to, "<testa@example.com>") {
		t.Fatalf("got %+v", mails)
	}
	a, b := read(t, mails[0].data), read(t, mails[1].data)
	if a.Header.Get("Message-ID") == "" || a.Header.Get("Message-ID") != b.Header.Get("Message-ID") {
		t.Errorf("ids %s and %s of one letter", a.Header.Get("Message-ID"), b.Header.Get("Message-ID"))
	}
	to, err := a.Header.AddressList("To")
	if err != nil || to[0].Name != letter.Name || to[0].Address != letter.To {
		t.Errorf("to %+v, %v", to, err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(a.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{letter.Name, letter.Username, string(letter.Link), "11 May 2026"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

func read(t *testing.T, data string) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return m
}

// No name or address adds a header or a receiver.
func TestMailInjection(t *testing.T) {
	s := newMailServer(t, false)
	m, err := courier.NewMail(courier.MailConfig{Addr: s.addr, From: "dialer@example.com", Subject: "For {{.Name}}"})
	if err != nil {
		t.Fatal(err)
	}
	evil := "Testa\r\nBcc: other@example.com\r\n\r\nNew body\u2028\x00\x85"
	l := letter
	l.Name, l.Username = evil, evil
	if err := m.SendLetter(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	got := read(t, s.got()[0].data)
	if got.Header.Get("Bcc") != "" || len(got.Header) != 9 {
		t.Errorf("headers %v", got.Header)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "For Testa") || strings.ContainsAny(subject, "\r\n") {
		t.Errorf("subject %q, %v", subject, err)
	}
	for _, to := range []string{
		"a@example.com\r\nRCPT TO:<b@example.com>", "a@example.com>\r\nDATA", "a@example.com, b@example.com", "", "a", "A <a@example.com>", "a@example.com\x00",
	} {
		l.To = to
		if err := m.SendLetter(t.Context(), l); !errors.Is(err, dialer.ErrUndeliverable) {
			t.Errorf("%q: got %v", to, err)
		}
	}
	if n := len(s.got()); n != 1 {
		t.Errorf("%d mails were sent", n)
	}
}

func TestMailRefused(t *testing.T) {
	s := newMailServer(t, false)
	m, err := courier.NewMail(courier.MailConfig{Addr: s.addr, From: "dialer@example.com", Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.behave("550 no such mailbox <testa@example.com>", false)
	if err := m.SendLetter(t.Context(), letter); !errors.Is(err, dialer.ErrUndeliverable) || strings.Contains(err.Error(), "testa") {
		t.Errorf("for good: %v", err)
	}
	s.behave("451 later, testa", false)
	if err := m.SendLetter(t.Context(), letter); err == nil || errors.Is(err, dialer.ErrUndeliverable) || strings.Contains(err.Error(), "testa") {
		t.Errorf("for now: %v", err)
	}
	s.behave("", true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := m.SendLetter(ctx, letter); err == nil {
		t.Error("a server that says nothing took it")
	}
	s.behave("", false)
	if err := m.SendLetter(t.Context(), letter); err != nil {
		t.Error(err)
	}
}

// Neither a password nor, where that is asked for, the mail goes in the clear,
// nor to a server with a wrong certificate.
func TestMailPrivacy(t *testing.T) {
	open, private := newMailServer(t, false), newMailServer(t, true)
	for name, c := range map[string]courier.MailConfig{
		"password": {Addr: open.addr, Username: "rosterd", Password: "a secret"},
		"required": {Addr: open.addr, RequireTLS: true},
		"stranger": {Addr: private.addr},
	} {
		c.From = "dialer@example.com"
		m, err := courier.NewMail(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SendLetter(t.Context(), letter); err == nil || errors.Is(err, dialer.ErrUndeliverable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(open.got())+len(private.got()) != 0 {
		t.Error("mail was sent")
	}
	for _, c := range []courier.MailConfig{
		{Addr: "mail", From: "dialer@example.com"},
		{Addr: "mail:25", From: "nobody"},
		{Addr: "mail:25", From: "a@example.com", Text: "{{.Oops}}"},
		{Addr: "mail:25", From: "a@example.com", Subject: "{{"},
	} {
		if _, err := courier.NewMail(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// What asks to authorize the dialer has the org's own words, as they are.
func TestMailAsksToAuthorize(t *testing.T) {
	server := newMailServer(t, false)
	m, err := courier.NewMail(courier.MailConfig{Addr: server.addr, From: "dialer@example.com", Text: "{{.Link}} {{.Expires}}"})
	if err != nil {
		t.Fatal(err)
	}
	l := dialer.Letter{Kind: dialer.MessageAuthorization, Key: "authorization/7/1", To: "testa@example.com", Name: "Testa", Username: "testa"}
	for _, c := range []struct {
		link dialer.Secret
		text string
		want string
	}{
		{"https://dialer.example.com/connect", "", "needs your leave to act for you in Salesforce"},
		{"https://dialer.example.com/connect", "Mind {{.Name}}.", "Mind {{.Name}}."},
		{"", "Ask the help desk.", "Ask the help desk."},
	} {
		l.Link, l.Text = c.link, c.text
		if err := m.SendLetter(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		all := server.got()
		msg := read(t, all[len(all)-1].data)
		body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
		if err != nil || !strings.Contains(string(body), c.want) || strings.Contains(string(body), "connect") != (c.link != "") {
			t.Errorf("got %s, %v", body, err)
		}
		if subject := msg.Header.Get("Subject"); !strings.Contains(subject, "Salesforce") {
			t.Errorf("subject %s", subject)
		}
	}
}

package courier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"text/template"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// MailConfig says how invitations are mailed.
type MailConfig struct {
	Addr     string // host:port of the server; port 465 is TLS from the start
	From     string // the sender, as in "Dialer <dialer@example.com>"
	Username string // for AUTH PLAIN, which needs TLS; "" is without
	Password dialer.Secret
	// RequireTLS refuses a server that does not offer STARTTLS. Zero is to use
	// it where it is offered, and to send no password without it.
	RequireTLS bool
	TLS        *tls.Config   // nil trusts the system's roots
	Timeout    time.Duration // of the whole conversation; 0 means 15 s

	// Subject and Text are templates with .Name, .Username, .Link and .Expires;
	// "" means the usual ones.
	Subject string
	Text    string
}

// The usual invitation.
const (
	usualSubject = "Set your password for the dialer"
	usualText    = `Hello {{.Name}},

an account in the dialer was made for you. Your user name is

    {{.Username}}

Set your password here, once, until {{.Expires}}:

    {{.Link}}

If you did not expect this, you need do nothing.
`
)

// What asks a user to authorize the dialer. Its words are the org's own where
// it has any; they are data, never a template.
const (
	askSubject = "Let the dialer act for you in Salesforce"
	askText    = `Hello {{.Name}},

{{if .Words}}{{.Words}}{{else}}the dialer needs your leave to act for you in Salesforce.{{end}}
{{if .Link}}
Sign in to Salesforce and allow it here:

    {{.Link}}
{{end}}
Your user name in the dialer is {{.Username}}.
`
)

// Mail sends invitations by SMTP.
type Mail struct {
	c       MailConfig
	host    string
	from    *mail.Address
	letters map[dialer.MessageKind]texts
}

// texts are the templates of a letter.
type texts struct{ subject, text *template.Template }

func readTexts(subject, text string) (t texts, err error) {
	if t.subject, err = template.New("subject").Option("missingkey=error").Parse(subject); err != nil {
		return t, fmt.Errorf("set up mail: read the subject: %w", err)
	}
	if t.text, err = template.New("text").Option("missingkey=error").Parse(text); err != nil {
		return t, fmt.Errorf("set up mail: read the text: %w", err)
	}
	return t, nil
}

// NewMail checks a configuration. It talks to nobody.
func NewMail(c MailConfig) (*Mail, error) {
	m := &Mail{c: c}
	var err error
	if m.host, _, err = net.SplitHostPort(c.Addr); err != nil {
		return nil, errors.New("set up mail: the server must be host:port")
	}
	if m.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, errors.New("set up mail: the sender must be an address such as Dialer <dialer@example.com>")
	}
	if m.c.Timeout <= 0 {
		m.c.Timeout = 15 * time.Second
	}
	if c.Subject == "" {
		c.Subject = usualSubject
	}
	if c.Text == "" {
		c.Text = usualText
	}
	m.letters = map[dialer.MessageKind]texts{}
	for kind, t := range map[dialer.MessageKind][2]string{
		dialer.MessageInvitation: {c.Subject, c.Text}, dialer.MessageAuthorization: {askSubject, askText},
	} {
		if m.letters[kind], err = readTexts(t[0], t[1]); err != nil {
			return nil, err
		}
	}
	_, err = m.compose(dialer.Letter{}, "a@example.com")
	return m, err
}

// SendLetter mails a letter. The Message-ID is made of its key, so that a
// mailbox that gets it twice can tell.
func (m *Mail) SendLetter(ctx context.Context, l dialer.Letter) error {
	to, err := mail.ParseAddress("<" + l.To + ">")
	if err != nil || to.Address != l.To || strings.ContainsAny(l.To, "\r\n<>\x00") {
		return fmt.Errorf("mail a letter: its address is none: %w", dialer.ErrUndeliverable)
	}
	body, err := m.compose(l, to.Address)
	if err != nil {
		return err
	}
	if err := m.send(ctx, to.Address, body); err != nil {
		return fmt.Errorf("mail a letter: %w", reply(err))
	}
	return nil
}

// reply leaves out what the server said, in which addresses may stand. A
// refusal for good begins with 5, but for those of the conversation itself.
func reply(err error) error {
	te, ok := errors.AsType[*textproto.Error](err)
	switch {
	case !ok:
		return err
	case te.Code/100 == 5 && te.Code >= 550:
		return fmt.Errorf("the server answered %d: %w", te.Code, dialer.ErrUndeliverable)
	}
	return fmt.Errorf("the server answered %d", te.Code)
}

// send is smtp.SendMail with deadlines.
func (m *Mail) send(ctx context.Context, to string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, m.c.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.c.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if strings.HasSuffix(m.c.Addr, ":465") {
		conn = tls.Client(conn, m.tls())
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return err
	}
	if err := m.greet(c, conn); err != nil {
		return err
	}
	if err := c.Mail(m.from.Address); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // the server has taken it, or not
		return err
	}
	_ = c.Quit() // nothing hangs on it any more
	return nil
}

// greet makes the conversation private, and says who we are.
func (m *Mail) greet(c *smtp.Client, conn net.Conn) error {
	_, private := conn.(*tls.Conn)
	if ok, _ := c.Extension("STARTTLS"); ok && !private {
		if err := c.StartTLS(m.tls()); err != nil {
			return err
		}
		private = true
	}
	switch {
	case private || m.c.Username == "" && !m.c.RequireTLS:
	case m.c.RequireTLS:
		return errors.New("the server offers no STARTTLS, and mail must not go in the clear")
	default:
		return errors.New("the server offers no STARTTLS, and the password must not go in the clear")
	}
	if m.c.Username == "" {
		return nil
	}
	return c.Auth(smtp.PlainAuth("", m.c.Username, string(m.c.Password), m.host))
}

func (m *Mail) tls() *tls.Config {
	c := m.c.TLS.Clone()
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.ServerName == "" {
		c.ServerName = m.host
	}
	return c
}

// compose writes the mail. Whatever stands in a name, each header is one line:
// a value that is not plain is encoded.
func (m *Mail) compose(l dialer.Letter, to string) ([]byte, error) {
	data := map[string]string{
		"Name": oneLine(l.Name), "Username": oneLine(l.Username), "Link": string(l.Link),
		"Expires": l.ExpiresAt.UTC().Format("2 January 2006, 15:04 MST"), "Words": l.Text,
	}
	t, ok := m.letters[l.Kind]
	if !ok {
		t = m.letters[dialer.MessageInvitation]
	}
	var subject, text strings.Builder
	if err := t.subject.Execute(&subject, data); err != nil {
		return nil, fmt.Errorf("write a letter: %w", err)
	}
	if err := t.text.Execute(&text, data); err != nil {
		return nil, fmt.Errorf("write a letter: %w", err)
	}
	sum := sha256.Sum256([]byte(l.Key))
	_, domain, _ := strings.Cut(m.from.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", m.from.String()},
		{"To", (&mail.Address{Name: oneLine(l.Name), Address: to}).String()},
		{"Subject", mime.QEncoding.Encode("utf-8", oneLine(subject.String()))},
		{"Date", time.Now().UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + hex.EncodeToString(sum[:16]) + "@" + domain + ">"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
	} {
		b.WriteString(h[0] + ": " + oneLine(h[1]) + "\r\n")
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, err := io.WriteString(q, text.String())
	if err := errors.Join(err, q.Close()); err != nil {
		return nil, fmt.Errorf("write a letter: %w", err)
	}
	return b.Bytes(), nil
}

// oneLine turns control characters into spaces.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

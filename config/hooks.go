package config

import (
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory/courier"
)

// Hooks are the other systems that hear of an org's users, and how. What has no
// hook waits in the outbox.
type Hooks struct {
	Leads         *Webhook // takes the leads of deleted users away; nil for none
	InviteWebhook *Webhook // sends invitations; nil for none
	InviteMail    *courier.MailConfig

	Invite    dialer.InvitePolicy // who is invited without being asked for
	InviteURL string              // the page to which an invitation leads
	InviteTTL time.Duration       // how long one is good for
}

// Webhook is an address that is told of something, by requests signed with a
// secret unless that is empty.
type Webhook struct {
	URL    string
	Secret dialer.Secret
}

const (
	minInvite = time.Hour
	maxInvite = 90 * 24 * time.Hour
	minSecret = 16
)

// hooks reads whom an org tells.
func (c *checker) hooks(path string, f *fileOrg) Hooks {
	h := Hooks{Leads: c.webhook(path+".leads", f.Leads), InviteWebhook: c.webhook(path+".invitations.webhook", f.Invitations.Webhook)}
	at := path + ".invitations"
	i := &f.Invitations
	invites := c.oneOf(at+".to", i.To, "nobody", "added", "all") && i.To != "nobody"
	if invites {
		h.Invite = dialer.InvitePolicy(i.To)
	}
	if h.InviteTTL = i.Valid; i.Valid < minInvite || i.Valid > maxInvite {
		c.fail(at+".valid", "choose from 1h to 2160h; 168h is usual", "%s is out of range", i.Valid)
	}
	h.InviteMail = c.mail(at+".smtp", &i.SMTP)
	h.InviteURL = i.Link
	switch wrong := checkURL(i.Link); {
	case i.Link != "" && wrong != "":
		c.fail(at+".link", "write https://host/path; plain http is for loopback addresses only", "%s", wrong)
	case strings.Contains(i.Link, "#"):
		c.fail(at+".link", "leave out the # and what follows: the invitation stands there", "has a fragment")
	case i.Link == "" && (invites || h.InviteWebhook != nil || h.InviteMail != nil):
		c.fail(at+".link", "give the page where an invited user sets a password", "invitations would lead nowhere")
	}
	switch {
	case h.InviteWebhook != nil && h.InviteMail != nil:
		c.fail(at+".smtp.server", "keep one of smtp and webhook", "invitations would be sent twice")
	case invites && i.SMTP.Server == "" && i.Webhook.URL == "":
		c.fail(at+".to", "set smtp or webhook, or write nobody", "nobody would send the invitations")
	}
	return h
}

func (c *checker) webhook(at string, f fileWebhook) *Webhook {
	if f.URL == "" {
		if f.SecretFile != "" {
			c.fail(at+".secret_file", "set url too, or leave the secret out", "is for a webhook that has no url")
		}
		return nil
	}
	if wrong := checkURL(f.URL); wrong != "" {
		c.fail(at+".url", "write https://host/path; plain http is for loopback addresses only", "%s", wrong)
	}
	w := &Webhook{URL: f.URL}
	if f.SecretFile != "" {
		w.Secret = c.secret(at+".secret_file", f.SecretFile)
	}
	return w
}

// secret reads a secret of a few characters at least.
func (c *checker) secret(key, name string) dialer.Secret {
	text, ok := c.secretFile(key, name)
	trimmed := strings.TrimSpace(string(text))
	if ok && len(trimmed) < minSecret {
		c.fail(key, "make one: openssl rand -hex 32", "the secret is shorter than %d characters", minSecret)
	}
	return dialer.Secret(trimmed)
}

func (c *checker) mail(at string, f *fileSMTP) *courier.MailConfig {
	if f.Server == "" {
		if f.From != "" || f.Username != "" || f.PasswordFile != "" {
			c.fail(at+".server", "write host:port, such as smtp.example.com:587", "is empty, so no mail would be sent")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(f.Server)
	n, perr := strconv.Atoi(port)
	if err != nil || host == "" || perr != nil || n < 1 || n > 65535 {
		c.fail(at+".server", "write host:port, such as smtp.example.com:587", "is not host:port")
	}
	if _, err := mail.ParseAddress(f.From); err != nil {
		c.fail(at+".from", `write an address, such as "Dialer <dialer@example.com>"`, "is not an address")
	}
	m := &courier.MailConfig{Addr: f.Server, From: f.From, Username: f.Username, RequireTLS: f.RequireTLS}
	switch {
	case (f.Username == "") != (f.PasswordFile == ""):
		c.fail(at+".username", "set both username and password_file, or none", "the user name and the password go together")
	case f.PasswordFile != "":
		if text, ok := c.secretFile(at+".password_file", f.PasswordFile); ok {
			m.Password = dialer.Secret(strings.TrimSpace(string(text)))
		}
	}
	return m
}

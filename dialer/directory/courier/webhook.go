// Package courier carries messages of the directory's outbox to other systems:
// by HTTP to a webhook, or by SMTP to a mailbox. It does not know where they
// come from, and keeps nothing: whoever hands over a message tries again when
// that fails.
package courier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// Headers of a webhook's request. The signature is
// "t=<unix seconds>,v1=<hex>", where the second part is the HMAC-SHA-256 of the
// seconds, a dot and the body, under the secret that both sides know.
const (
	HeaderKey       = "Idempotency-Key"
	HeaderEvent     = "Rosterd-Event"
	HeaderSignature = "Rosterd-Signature"
)

// Webhook posts messages as JSON. An answer of 2xx acknowledges one.
type Webhook struct {
	url    string
	secret []byte
	client *http.Client
}

// NewWebhook returns a webhook that posts to an address by a client, which
// brings its timeouts. Without a secret requests are not signed.
func NewWebhook(address string, secret []byte, client *http.Client) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("make a webhook: its address must begin with https:// or http://")
	}
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Webhook{url: address, secret: secret, client: &c}, nil
}

// Send posts a message's payload.
func (w *Webhook) Send(ctx context.Context, m dialer.Message) error {
	return w.post(ctx, string(m.Kind), m.Key, m.Payload)
}

// SendLetter posts a letter, for a system that writes its own mail.
func (w *Webhook) SendLetter(ctx context.Context, l dialer.Letter) error {
	kind := dialer.MessageInvitation
	if l.Kind != "" {
		kind = l.Kind
	}
	body, err := json.Marshal(struct {
		Event dialer.MessageKind `json:"event"`
		dialer.Letter
	}{kind, l})
	if err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	return w.post(ctx, string(kind), l.Key, body)
}

// post does not follow redirects: whom the secret is meant for is configured.
func (w *Webhook) post(ctx context.Context, event, key string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to the webhook: %w", plain(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "rosterd")
	req.Header.Set(HeaderKey, key)
	req.Header.Set(HeaderEvent, event)
	if len(w.secret) > 0 {
		req.Header.Set(HeaderSignature, Sign(w.secret, time.Now(), body))
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("post to the webhook: %w", plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500, code < 400:
		return fmt.Errorf("post to the webhook: it answered %d", code)
	default:
		return fmt.Errorf("post to the webhook: it answered %d: %w", code, dialer.ErrUndeliverable)
	}
}

// plain leaves out the address, which may hold a secret.
func plain(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// Sign returns the value of HeaderSignature for a body sent at a time.
func Sign(secret []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(t + "."))
	_, _ = mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

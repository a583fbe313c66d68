package crm

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	maxRetryWait = 30 * time.Second
	// maxRetryAfter is the longest Retry-After that is waited out here; a longer one
	// is the caller's business, which has other things to do meanwhile.
	maxRetryAfter = 2 * time.Minute
	// concurrentWait is the least wait after "too many long requests at once": a long
	// request is one of over 20 s, so less would only meet the same ones again.
	concurrentWait = 5 * time.Second
	// edgeTries is for status 420, which the edge gives for an org in maintenance.
	edgeTries = 1
)

// retried sends a request again when the answer says that it failed in passing.
// Every request of this package may be sent twice: none changes anything.
type retried struct {
	next http.RoundTripper
	op   string
	wait time.Duration
	max  int
}

func (t *retried) RoundTrip(r *http.Request) (*http.Response, error) {
	waits := newBackoff(t.wait)
	for try := 0; ; try++ {
		attempt, err := again(r)
		if err != nil {
			return nil, err
		}
		resp, err := t.next.RoundTrip(attempt)
		if err == nil && resp.StatusCode < 400 {
			return resp, nil
		}
		after, retry := t.verdict(r.Context(), resp, err, try)
		if !retry {
			return resp, err
		}
		if err := sleep(r.Context(), max(after, waits.NextBackOff())); err != nil {
			return nil, err
		}
	}
}

// verdict says whether to try again, and the least wait before it. It leaves resp
// readable.
func (t *retried) verdict(ctx context.Context, resp *http.Response, err error, try int) (time.Duration, bool) {
	if try >= t.max || ctx.Err() != nil {
		return 0, false
	}
	if err != nil {
		return 0, passing(err)
	}
	e := readAPIError(t.op, resp)
	switch {
	case !e.Retryable(), e.RetryAfter > maxRetryAfter:
		return 0, false
	case errors.Is(e, ErrQuota), e.Code == "API_CURRENTLY_DISABLED":
		return 0, false // hours, not seconds
	case e.Code == "QUERY_TIMEOUT":
		return 0, false // the caller asks for less
	case e.concurrent():
		return max(concurrentWait, e.RetryAfter), true
	case e.Status == 420 && try >= edgeTries:
		return 0, false
	}
	return e.RetryAfter, true
}

// passing tells a fault of the network from a decision of ours or of the token
// endpoint.
func passing(err error) bool {
	if _, ok := errors.AsType[*refusedError](err); ok {
		return false
	}
	if e, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err); ok {
		return e.Retryable()
	}
	return !errors.Is(err, context.Canceled)
}

func newBackoff(first time.Duration) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.5),
		backoff.WithMaxInterval(maxRetryWait), backoff.WithMaxElapsedTime(0))
}

// again is r, ready to be sent once more.
func again(r *http.Request) (*http.Request, error) {
	r2 := r.Clone(r.Context())
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r2.Body = body
	}
	return r2, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads the header of that name, in seconds or as a date. Salesforce
// documents none; what stands in front of it may send one.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if s, err := strconv.Atoi(v); err == nil {
		return min(max(0, time.Duration(s)*time.Second), 24*time.Hour)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}

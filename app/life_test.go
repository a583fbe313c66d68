package app

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLifeEndsTheLastFirst(t *testing.T) {
	l := newLife()
	var got []string
	l.onStop("first", func(context.Context) error { got = append(got, "first"); return errors.New("first is sour") })
	l.run("second", func(ctx context.Context) error { <-ctx.Done(); got = append(got, "second"); return nil })
	l.run("third", func(ctx context.Context) error {
		<-ctx.Done()
		got = append(got, "third")
		return errors.New("out of order")
	})
	err := l.stop(t.Context())
	if diff := cmp.Diff(got, []string{"third", "second", "first"}); diff != "" {
		t.Errorf("order (-got +want):\n%s", diff)
	}
	if err == nil || !strings.Contains(err.Error(), "first is sour") || !strings.Contains(err.Error(), "third: out of order") {
		t.Errorf("got %v, want both errors", err)
	}
	if again := l.stop(t.Context()); !errors.Is(again, err) || len(got) != 3 {
		t.Errorf("stopping twice: %v, %v", again, got)
	}
}

func TestLifeEndsInTime(t *testing.T) {
	l := newLife()
	release := make(chan struct{})
	l.run("deaf", func(context.Context) error { <-release; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.stop(ctx); err == nil || !strings.Contains(err.Error(), "deaf: did not stop in time") {
		t.Errorf("got %v", err)
	}
	close(release)
}

func TestLifeFailsWithAPart(t *testing.T) {
	l := newLife()
	l.run("weak", func(context.Context) error { return errors.New("broke") })
	<-l.failed()
	if err := l.stop(t.Context()); err == nil || err.Error() != "weak: broke" {
		t.Errorf("got %v", err)
	}
}

package directory

import (
	"context"
	"errors"

	"github.com/rosterd/rosterd/dialer"
)

var errLater = errors.New("not served yet")

// Leavers returns those who lost access, the latest first.
func (d *Directory) Leavers(ctx context.Context, q dialer.LeaverQuery) ([]dialer.Leaver, error) {
	return nil, errLater
}

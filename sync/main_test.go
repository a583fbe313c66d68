package sync_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing of an engine may outlive its Run.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

package pxepilot_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestErrorf(t *testing.T) {
	cause := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}
	for _, tt := range []struct {
		err     *pxepilot.Error
		message string
		cause   error
	}{
		{pxepilot.Errorf(pxepilot.NotFound, "host %s not found", pxepilot.Quote("h1")), `host "h1" not found`, nil},
		{pxepilot.Errorf(pxepilot.Unavailable, "cannot read: %v", cause), "cannot read: open x: permission denied", cause},
		{pxepilot.Errorf(pxepilot.Unavailable, "%v at %d", cause, 7), "open x: permission denied at 7", cause},
		{pxepilot.Errorf(pxepilot.Unavailable, "cannot read it").Because(cause), "cannot read it", cause},
	} {
		if tt.err.Error() != tt.message {
			t.Errorf("says %q, want %q", tt.err, tt.message)
		}
		if got := errors.Unwrap(tt.err); got != tt.cause {
			t.Errorf("%v has the cause %v, want %v", tt.err, got, tt.cause)
		}
		if tt.cause != nil && !errors.Is(tt.err, fs.ErrPermission) {
			t.Errorf("%v is not what caused it", tt.err)
		}
	}
	first := pxepilot.Errorf(pxepilot.Internal, "failed")
	if second := first.Because(cause); first.Err != nil || second.Err == nil || second.Message != first.Message || second.Code != first.Code {
		t.Errorf("Because changed the error that it copies: %+v, %+v", first, second)
	}
}

func TestErrorCodeAndMessage(t *testing.T) {
	const hiddenDetails = "internal error; the server's log has the details"
	notFound := pxepilot.Errorf(pxepilot.NotFound, "no such host")
	for _, tt := range []struct {
		err     error
		code    pxepilot.Code
		message string
	}{
		{nil, "", ""},
		{notFound, pxepilot.NotFound, "no such host"},
		{fmt.Errorf("while deploying: %w", notFound), pxepilot.NotFound, "no such host"},
		{errors.Join(errors.New("first"), notFound), pxepilot.NotFound, "no such host"},
		{pxepilot.Errorf(pxepilot.Conflict, "refused: %v", notFound), pxepilot.Conflict, "refused: no such host"},
		{notFound.Because(fs.ErrClosed), pxepilot.NotFound, "no such host"},
		{fs.ErrPermission, pxepilot.Internal, hiddenDetails},
		{fmt.Errorf("open /etc/shadow: %w", fs.ErrPermission), pxepilot.Internal, hiddenDetails},
	} {
		if got := pxepilot.ErrorCode(tt.err); got != tt.code {
			t.Errorf("ErrorCode(%v) = %q, want %q", tt.err, got, tt.code)
		}
		if got := pxepilot.ErrorMessage(tt.err); got != tt.message {
			t.Errorf("ErrorMessage(%v) = %q, want %q", tt.err, got, tt.message)
		}
	}
}

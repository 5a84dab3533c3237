package powertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// watched is the Controller of a machine whose every error is looked at: who
// and which BMC it names, and that it shows no secret.
type watched struct {
	Controller
	t   *testing.T
	bmc string
}

func (w watched) State(ctx context.Context) (pxepilot.PowerState, error) {
	w.t.Helper()
	s, err := w.Controller.State(ctx)
	w.look("State", err)
	switch {
	case err != nil && s != pxepilot.PowerUnknown:
		w.t.Errorf("State = %q beside an error; want %q, for nothing is known then", s, pxepilot.PowerUnknown)
	case err == nil && s != pxepilot.PowerOn && s != pxepilot.PowerOff:
		w.t.Errorf("State = %q and no error", s)
	}
	return s, err
}

func (w watched) Do(ctx context.Context, a pxepilot.PowerAction) error {
	w.t.Helper()
	err := w.Controller.Do(ctx, a)
	w.look(fmt.Sprintf("Do(%s)", a), err)
	return err
}

func (w watched) BootNext(ctx context.Context, d pxepilot.BootDevice, f pxepilot.Firmware) error {
	w.t.Helper()
	err := w.Controller.BootNext(ctx, d, f)
	w.look(fmt.Sprintf("BootNext(%s, %q)", d, f), err)
	return err
}

// look checks one error. It may be called by several goroutines.
func (w watched) look(call string, err error) {
	w.t.Helper()
	if err == nil {
		return
	}
	for _, problem := range problems(err, w.bmc) {
		w.t.Errorf("%s: %s", call, problem)
	}
}

// problems is what is wrong with an error of a driver whose BMC is called bmc.
func problems(err error, bmc string) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if code := pxepilot.ErrorCode(err); code != pxepilot.Conflict {
		say("the error has the code %q, want %q: %v", code, pxepilot.Conflict, err)
	}
	message := pxepilot.ErrorMessage(err)
	if strings.ContainsAny(message, "\n\r\t\x00") || len(message) > 400 {
		say("the message is not one clear line: %q", message)
	}
	for _, who := range []string{Host, bmc} {
		if !strings.Contains(message, who) {
			say("the message does not name %q: %q", who, message)
		}
	}
	for _, secret := range []string{Password, WrongPassword} {
		if where := shows(err, secret); where != "" {
			say("the error shows the password as %s", where)
		}
	}
	return found
}

// shows says in which form err, or an error that it wraps, shows the secret.
func shows(err error, secret string) string {
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s"} {
		if strings.Contains(fmt.Sprintf(verb, err), secret) {
			return verb
		}
	}
	if b, jerr := json.Marshal(err); jerr == nil && strings.Contains(string(b), secret) {
		return "JSON"
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "err", err)
	if strings.Contains(log.String(), secret) {
		return "a line of the log"
	}
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		for _, inner := range u.Unwrap() {
			if where := shows(inner, secret); where != "" {
				return where
			}
		}
	default:
		if inner := errors.Unwrap(err); inner != nil {
			return shows(inner, secret)
		}
	}
	return ""
}

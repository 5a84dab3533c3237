package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// A silentError is the exit status of a command that has already said why.
type silentError int

func (s silentError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// A hintedError error carries what to do next.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }

// An undoubtedError leaves no doubt about what was done.
type undoubtedError struct{ error }

func (e undoubtedError) Unwrap() error { return e.error }

// inDoubt says whether what a request asked for may have been done although there
// was an error.
func inDoubt(err error) bool {
	var refused *client.Error
	return !errors.As(err, &refused) && !errors.Is(err, syscall.ECONNREFUSED)
}

// noAnswer is the problem of a host that such a request was for.
const noAnswer = "no answer came; it may have been done nevertheless"

// report tells a person what went wrong and what to do next, and returns the
// exit status for err.
func (p *program) report(ctx context.Context, cmd *cobra.Command, err error) int {
	var (
		quiet       silentError
		hint        hintedError
		usage       *usageError
		unreachable *client.UnreachableError
		refused     *client.Error
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &usage):
		p.say("error", usage.message)
		p.say("hint", "'"+usage.command+" --help' tells more")
		return exitUsage
	case ctx.Err() != nil:
		p.say("error", "interrupted")
		p.hintUncertain(cmd, err)
		return exitFailed
	case errors.As(err, &unreachable):
		p.say("error", unreachable.Error())
		if errors.Is(err, syscall.ECONNREFUSED) {
			p.say("hint", "start a server with 'pxe-pilot server', or name another one with --server URL")
			return exitUnreachable
		}
		p.say("hint", "name another server with --server URL")
		p.hintUncertain(cmd, err)
		return exitUnreachable
	}
	remote := errors.As(err, &refused)
	if remote {
		p.say("error", refused.Message)
	} else {
		for _, line := range strings.Split(err.Error(), "\n") { // our own, one problem a line
			p.say("error", line)
		}
	}
	if errors.As(err, &hint) && hint.hint != "" {
		p.say("hint", hint.hint)
	}
	if remote && refused.Status >= http.StatusInternalServerError && refused.RequestID != "" {
		p.say("hint", "the server's log tells more about request "+refused.RequestID)
	}
	if remote {
		return exitOfStatus(refused.Status)
	}
	return exitOfCode(pxepilot.ErrorCode(err))
}

// hintUncertain warns that a change may have been made although no answer came.
func (p *program) hintUncertain(cmd *cobra.Command, err error) {
	var undoubted undoubtedError
	shows := map[string]string{"links": "host list", "power": "host status HOST..."}[cmd.Annotations[changes]]
	if shows != "" && !errors.As(err, &undoubted) {
		p.say("hint", "it may have been done nevertheless: 'pxe-pilot "+shows+"' shows it")
	}
}

// changes marks the commands that change something on the server, and tells what.
const changes = "changes"

func exitOfStatus(status int) int {
	switch status {
	case http.StatusBadRequest: // what was typed could be nobody's name
		return exitUsage
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict:
		return exitConflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitNotAllowed
	}
	return exitFailed
}

func exitOfCode(code pxepilot.Code) int {
	switch code {
	case pxepilot.NotFound:
		return exitNotFound
	case pxepilot.Conflict:
		return exitConflict
	case pxepilot.Forbidden:
		return exitNotAllowed
	}
	return exitFailed
}

// say writes one line to stderr.
func (p *program) say(kind, message string) {
	_, _ = fmt.Fprintf(p.Stderr, "%s: %s\n", kind, clean(message))
}

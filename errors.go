package pxepilot

import (
	"errors"
	"fmt"
)

// Code classes an Error for machines. One table in httpapi maps codes to HTTP
// statuses, and one in cli maps them to exit codes.
type Code string

// The codes.
const (
	Invalid       Code = "invalid"       // the request is malformed
	NotFound      Code = "not_found"     // a host or configuration does not exist
	Conflict      Code = "conflict"      // the request contradicts itself or what is there
	Unprocessable Code = "unprocessable" // what is there cannot be shown
	Forbidden     Code = "forbidden"     // the caller may not do that
	TooLarge      Code = "too_large"     // the request is larger than any sensible one
	Unavailable   Code = "unavailable"   // try again, or mend the site first
	Internal      Code = "internal"      // the program's own fault, or the machine's
)

// An Error has a code for machines, one sentence for people and a cause for the
// log. The sentence says what is wrong, where, and what to do; it never carries
// a secret. The cause never leaves the server.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// Errorf makes an Error whose message is formatted like fmt.Sprintf. Where an
// argument is an error it becomes the cause as well.
func Errorf(code Code, format string, args ...any) *Error {
	e := &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			e.Err = err
		}
	}
	return e
}

// Because returns a copy of e with a cause for the log.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// ErrorCode is the code of err: that of the first Error in its chain, Internal
// for any other error, and empty for nil.
func ErrorCode(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return Internal
}

// ErrorMessage is the sentence that may be shown to a caller. Errors that are
// not an Error are internals and stay in the log.
func ErrorMessage(err error) string {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Message
	}
	return "internal error; the server's log has the details"
}

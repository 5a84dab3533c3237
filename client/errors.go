package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// An Error is the server's refusal: an answer of status 400 or above (or a
// redirect, for none is followed).
type Error struct {
	Status    int    // of HTTP
	Message   string // the server's, one line, fit for people
	RequestID string // finds the request in the server's log; empty when the answer is not PXE Pilot's
}

func (e *Error) Error() string { return e.Message }

// An UnreachableError means that no whole answer came from the server. Whether
// it did what was asked is not known, unless Err says that nobody listens.
type UnreachableError struct {
	Server string // its URL, without any password
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no answer from %s: %v", e.Server, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// refusal reads the Error out of an answer. What is not PXE Pilot's (a proxy's
// page, say) becomes a short sentence, with the body's first line where that is
// plain text.
func refusal(res *http.Response, body []byte) *Error {
	e := &Error{Status: res.StatusCode, RequestID: res.Header.Get("X-Request-Id")}
	var told apiv1.Error
	switch {
	case json.Unmarshal(body, &told) == nil && told.Message != "":
		e.Message = told.Message
	case res.StatusCode < http.StatusBadRequest:
		e.Message = fmt.Sprintf("the server answers %s to %s; ask that address if you trust it",
			status(res), pxepilot.Quote(res.Header.Get("Location")))
	default:
		e.Message = fmt.Sprintf("the server answers %s%s, which is not how PXE Pilot refuses; is the address right, or a proxy between?",
			status(res), firstLine(res, body))
	}
	return e
}

func status(res *http.Response) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode)))
}

func firstLine(res *http.Response, body []byte) string {
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if err != nil || kind != "text/plain" || line == "" {
		return ""
	}
	return " (" + pxepilot.Quote(strings.TrimSpace(line)) + ")"
}

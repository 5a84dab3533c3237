package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// statusOf maps the codes of errors to HTTP.
var statusOf = map[pxepilot.Code]int{
	pxepilot.Invalid:       http.StatusBadRequest,
	pxepilot.NotFound:      http.StatusNotFound,
	pxepilot.Conflict:      http.StatusConflict,
	pxepilot.Unprocessable: http.StatusUnprocessableEntity,
	pxepilot.Forbidden:     http.StatusForbidden,
	pxepilot.TooLarge:      http.StatusRequestEntityTooLarge,
	pxepilot.Unavailable:   http.StatusServiceUnavailable,
	pxepilot.Internal:      http.StatusInternalServerError,
}

// retryAfter is told to who is refused as Unavailable: by then another writer
// has either finished or will not.
const retryAfter = 5 * time.Second

// A statusError is an error of HTTP itself, which no code stands for.
type statusError struct {
	status int
	error
}

func (e statusError) Unwrap() error { return e.error }

// ServeHTTP is the one place where requests come in, errors are answered, panics
// end, and the log is written.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	r = tidied(r)
	rec := &recorder{ResponseWriter: w, plain: isForMachines(r.URL.Path)}
	id := requestID()
	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("Cache-Control", "no-store") // links change behind everybody's back
	h.Set("X-Content-Type-Options", "nosniff")
	defer func() {
		var stack []byte
		p := recover()
		if p != nil {
			stack = debug.Stack()
			rec.err = pxepilot.Errorf(pxepilot.Internal, "internal error; the server's log has the details as request %s", id)
			if rec.status == 0 {
				rec.refuse(rec.err)
			}
		}
		a.logRequest(r, rec, id, time.Since(began), p, stack)
		if p != nil && rec.broken() {
			panic(http.ErrAbortHandler) // so that the client does not take half an answer for a whole one
		}
	}()
	a.serve(rec, r)
	if rec.err != nil {
		rec.err = explain(r, rec.err, id)
		rec.refuse(rec.err)
	}
}

func (a *api) serve(w *recorder, r *http.Request) {
	if w.err = a.guard.check(r); w.err != nil {
		return
	}
	if !isClean(r.URL.EscapedPath()) {
		w.err = unknownPath(nil)(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// explain gives errors that are none of ours a sentence for the caller.
func explain(r *http.Request, err error, id string) error {
	var ours *pxepilot.Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return pxepilot.Errorf(pxepilot.Unavailable, "the request was given up before it was done").Because(err)
	}
	return pxepilot.Errorf(pxepilot.Internal, "internal error; the server's log has the details as request %s", id).Because(err)
}

// refuse answers an error of ours.
func (w *recorder) refuse(err error) {
	status, ok := statusOf[pxepilot.ErrorCode(err)]
	if !ok {
		status = http.StatusInternalServerError
	}
	var http1 statusError
	if errors.As(err, &http1) {
		status = http1.status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	message := oneLine(pxepilot.ErrorMessage(err))
	if w.plain {
		writeBody(w, status, "text/plain; charset=utf-8", []byte(message+"\n"))
		return
	}
	writeJSON(w, status, apiv1.Error{Message: message})
}

// logRequest writes the one line that each request gets: no bodies, no headers.
func (a *api) logRequest(r *http.Request, w *recorder, id string, took time.Duration, p any, stack []byte) {
	attrs := []slog.Attr{
		slog.String("method", cut(r.Method)),
		slog.String("path", cut(r.URL.EscapedPath())),
		slog.Int("status", w.status),
		slog.Int64("bytes", w.bytes),
		slog.Duration("duration", took),
		slog.String("request_id", id),
		slog.String("remote", r.RemoteAddr),
	}
	if w.host != "" {
		attrs = append(attrs, slog.String("host", w.host))
	}
	level := slog.LevelInfo
	if w.err != nil {
		attrs = append(attrs, slog.String("error", pxepilot.ErrorMessage(w.err)))
		var ours *pxepilot.Error
		if errors.As(w.err, &ours) && ours.Err != nil {
			attrs = append(attrs, slog.Any("cause", ours.Err))
		}
		switch {
		case w.status >= http.StatusInternalServerError && w.status != http.StatusServiceUnavailable:
			level = slog.LevelError
		case w.status >= http.StatusInternalServerError:
			level = slog.LevelWarn
		}
	}
	if p != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.Any("panic", p), slog.String("stack", string(stack)))
	}
	a.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// A recorder remembers what was answered, for the log.
type recorder struct {
	http.ResponseWriter
	status    int
	bytes     int64
	err       error
	plain     bool             // errors are text
	host      string           // that it is about; empty for none, or where the path tells
	answering func(status int) // called before an answer begins; nil for nothing
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		if w.answering != nil {
			w.answering(status)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// broken says whether an answer began that is not the refusal of w.err.
func (w *recorder) broken() bool { return w.status != 0 && w.status != http.StatusInternalServerError }

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // no browser takes application/json for a page
	if err := enc.Encode(v); err != nil {
		panic(err) // the wire types have nothing that cannot be encoded
	}
	writeBody(w, status, "application/json", b.Bytes())
}

func writeBody(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is nobody's error
}

// requestID makes an id that is told apart from all others in the log.
func requestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// oneLine keeps a message on one line, whatever was quoted in it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
}

// cut shortens what a client chose for the log.
func cut(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

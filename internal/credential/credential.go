// Package credential has the passwords of BMCs at hand at the moment in which
// they are needed, and keeps none: a file is read whenever it is asked for, which
// takes some 10 µs beside a login's milliseconds, so that no stamp of a file has
// to be trusted to notice that it changed.
package credential

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/pxe-pilot/pxe-pilot"
)

// longest is the size from which a file holds no password: that of the longest
// that any protocol here takes, and room for more.
const longest = 4 << 10

// Source returns what tells the password of c, which is safe for concurrent use.
// Where c names no source there is no password, and that is no error. Environment
// variables are asked of env (os.Getenv).
//
// An error is of code pxepilot.Conflict, as whatever keeps a BMC from doing what
// it was asked. It goes on from "the password cannot be read: ", names the file
// or the variable, and holds nothing of what is in it.
func Source(c pxepilot.Credentials, env func(string) string) func() (pxepilot.Secret, error) {
	switch {
	case c.PasswordFile != "":
		return func() (pxepilot.Secret, error) { return fromFile(c.PasswordFile) }
	case c.PasswordEnv != "":
		return func() (pxepilot.Secret, error) { return fromEnv(c.PasswordEnv, env) }
	}
	return func() (pxepilot.Secret, error) { return c.Password, nil }
}

// fromEnv refuses an empty variable, which is one that was forgotten.
func fromEnv(name string, env func(string) string) (pxepilot.Secret, error) {
	value := env(name)
	if value == "" {
		return pxepilot.Secret{}, pxepilot.Errorf(pxepilot.Conflict,
			"password_env: the environment variable %s is empty or not set; set it for the server, and start that again", name)
	}
	return pxepilot.NewSecret(value), nil
}

func fromFile(path string) (pxepilot.Secret, error) {
	data, err := read(path)
	if err == nil {
		data, err = only(data)
	}
	if err != nil {
		return pxepilot.Secret{}, pxepilot.Errorf(pxepilot.Conflict, "password_file %s %s", pxepilot.Quote(path), err)
	}
	return pxepilot.NewSecret(string(data)), nil
}

// read returns the content of a small regular file.
func read(path string) ([]byte, error) {
	// Looked at before it is opened, for opening a pipe waits.
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("does not exist; write the password into it")
	case err != nil:
		return nil, unreadable(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file; name one that holds the password")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, longest+1))
	switch {
	case err != nil:
		return nil, unreadable(err)
	case len(data) > longest:
		return nil, fmt.Errorf("is larger than %d KiB, which is no password; is it the right file?", longest>>10)
	}
	return data, nil
}

// unreadable leaves out the path, which is told already.
func unreadable(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("cannot be read: %w; let the server's user or group read it", err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// only returns the password that data consists of, without the line end that
// editors and echo put behind it. An empty file is one that is being written, or
// was forgotten, and never means an empty password.
func only(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // Windows editors put it there
	data = bytes.TrimSuffix(data, []byte("\n"))
	data = bytes.TrimSuffix(data, []byte("\r"))
	switch {
	case len(data) == 0:
		return nil, errors.New("is empty; write the password into it")
	case bytes.ContainsAny(data, "\r\n"):
		return nil, errors.New("has several lines; want the password alone")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("holds a zero byte; want the password as plain text")
	}
	return data, nil
}

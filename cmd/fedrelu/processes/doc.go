// Package processes keeps a number of processes alive for as long as this one lives, and no longer.
//
// Rules. Each process reads from a pipe, of which this process alone holds the other end: first its greeting, and then
// nothing but the end of the file, on which it has to end at once. So no process outlives this one, however it went. Each
// has a process group of its own: a terminal's interrupt reaches this process alone, which then ends the others in its own
// order. A process that ends by itself is started again after a pause; one that keeps ending at once is given up.
//
// Every goroutine is started by Start and gone when Stop returns.
package processes

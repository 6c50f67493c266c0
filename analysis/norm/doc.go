// Package norm measures what weight decay makes small: the path norm of a network, the balance of its units, and for shallow
// networks of one input the function itself, a spline, beside the best spline that there is.
//
// Rules. Definitions are those of PAPERS.md P5 and convention M17. A univariate shallow network is
// f(x) = sum_k v_k rho(w_k x + b_k) + c_1 x + c_0, rho a ReLU or leaky ReLU, with or without the skip connection c_1; its path
// norm, balance, knots and total variation are exact functions of its parameters in float64. The exact optimum of its training
// problem comes from a convex problem over the fitted values (E7), solved by an interior point method to a duality gap that is
// reported. Everything is the same bits on every machine. A number that does not exist is nil or has a reason.
package norm

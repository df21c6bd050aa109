// SPDX-License-Identifier: GPL-3.0-or-later
#define BOOST_BIND_GLOBAL_PLACEHOLDERS
#include <boost/python.hpp>
#include <string>

static std::string greet(const std::string &name)
{
    return "hello from " + name;
}

BOOST_PYTHON_MODULE(greeting)
{
    boost::python::def("greet", greet);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

int main()
{
    std::map<std::string, double> roots;
    std::thread worker([&roots] { roots["two"] = std::sqrt(2.0); });
    worker.join();
    try {
        roots.at("three");
    } catch (const std::out_of_range &) {
        std::cout << "hello from C++: " << roots["two"] << ", exceptions and threads work\n";
        return EXIT_SUCCESS;
    }
    return EXIT_FAILURE;
}

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Both sides of the device probe: the child prints JSON, the parent reads it under a deadline.
#include "kernels/devices.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ; // NOLINT: POSIX declares it nowhere else

namespace ql
{

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(OpenClDevice, id, name, vendor, platform, version, driver, gpu, cpu, globalMemory,
                                   maxAllocation, computeUnits, correctlyRoundedDivide, denormals)

namespace
{

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
constexpr size_t kLongestAnswer = 1 << 20;

Error failed(ErrorCode code, const std::string& what)
{
    return {code, "the OpenCL probe " + what + "; OpenCL is not used", {}};
}

/// A child process whose stdout is read; killed and reaped when it goes out of scope.
class Child
{
public:
    Child() = default;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child()
    {
        if (m_output >= 0)
            close(m_output);
        if (m_pid > 0) {
            kill(m_pid, SIGKILL);
            waitpid(m_pid, nullptr, 0);
        }
    }

    Status start(const std::string& program, const std::vector<std::string>& arguments)
    {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return failed(ErrorCode::DeviceFailed, std::string("has no pipe: ") + std::strerror(errno));
        m_output = ends[0];
        std::vector<char*> argv{const_cast<char*>(program.c_str())};
        for (const std::string& argument : arguments)
            argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        const int error = posix_spawn(&m_pid, program.c_str(), &actions, nullptr, argv.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        if (error != 0) {
            m_pid = 0;
            return failed(ErrorCode::DeviceFailed, "could not start " + program + ": " + std::strerror(error));
        }
        return {};
    }

    /// Everything the child prints until it closes its output; DeviceTimeout at the deadline.
    Result<std::string> readAll(Clock::time_point deadline, int timeoutMs)
    {
        std::string text;
        char block[4096];
        while (true) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
            pollfd waiting{m_output, POLLIN, 0};
            const int ready = left > 0 ? poll(&waiting, 1, int(left)) : 0;
            if (ready < 0 && errno == EINTR)
                continue;
            if (ready <= 0)
                return failed(ErrorCode::DeviceTimeout, "did not answer within " + std::to_string(timeoutMs) + " ms");
            const ssize_t got = read(m_output, block, sizeof block);
            if (got <= 0)
                return text;
            text.append(block, size_t(got));
            if (text.size() > kLongestAnswer)
                return failed(ErrorCode::DeviceFailed, "printed more than a device list");
        }
    }

    /// How the child ended. A driver may hang in its exit handlers after the answer, so the deadline holds here too.
    Status finish(Clock::time_point deadline, int timeoutMs)
    {
        int state = 0;
        while (waitpid(m_pid, &state, WNOHANG) == 0) {
            if (Clock::now() > deadline)
                return failed(ErrorCode::DeviceTimeout, "did not end within " + std::to_string(timeoutMs) + " ms");
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        m_pid = 0;
        if (WIFSIGNALED(state))
            return failed(ErrorCode::DeviceFailed, std::string("crashed: ") + strsignal(WTERMSIG(state)));
        if (WEXITSTATUS(state) != 0)
            return failed(ErrorCode::DeviceFailed, "ended with exit code " + std::to_string(WEXITSTATUS(state)));
        return {};
    }

private:
    pid_t m_pid = 0;
    int m_output = -1;
};

} // namespace

Result<std::vector<OpenClDevice>> probeDevices(const std::string& program, const std::vector<std::string>& arguments,
                                               int timeoutMs)
{
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeoutMs);
    Child child;
    QL_CHECK(child.start(program, arguments));
    QL_TRY(const std::string text, child.readAll(deadline, timeoutMs));
    QL_CHECK(child.finish(deadline, timeoutMs));
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_object() && json.contains("error") && json["error"].is_string())
        return failed(ErrorCode::DeviceFailed, "failed: " + json["error"].get<std::string>());
    if (!json.is_object() || !json.contains("devices"))
        return failed(ErrorCode::DeviceFailed, "printed something else than a device list");
    try {
        return json.at("devices").get<std::vector<OpenClDevice>>();
    } catch (const Json::exception&) {
        return failed(ErrorCode::DeviceFailed, "printed an incomplete device list");
    }
}

int printProbe()
{
    const auto devices = listDevices();
    Json answer;
    if (devices)
        answer["devices"] = *devices;
    else
        answer["error"] = devices.error().text();
    const std::string text = answer.dump(-1, ' ', false, Json::error_handler_t::replace);
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return written ? 0 : 1;
}

} // namespace ql

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DeviceController: finds and tests devices off the GUI thread, keeps the device chip true, and hands the chosen backend
// on. Until a device has passed its self-test the CPU does the work.
#pragma once

#include "app/backends.h"
#include "app/jobrunner.h"

#include <QObject>

namespace ql {

class DeviceChip;

class DeviceController : public QObject
{
    Q_OBJECT
public:
    DeviceController(JobRunner* jobs, std::shared_ptr<Backends> backends, DeviceChip* chip, QObject* parent = nullptr);

    /// Probes, tests and chooses in a job; then backendChanged().
    void start(const QString& wish);
    const std::shared_ptr<Backend>& backend() const { return m_backend; }

Q_SIGNALS:
    void backendChanged();
    void deviceWished(const QString& id); ///< the person chose one: remember it

private:
    struct Found {
        std::vector<DeviceStatus> devices;
        BackendChoice choice;
    };
    void show(const Found& found);

    JobRunner* m_jobs;
    std::shared_ptr<Backends> m_backends;
    DeviceChip* m_chip;
    std::shared_ptr<Backend> m_backend;
};

} // namespace ql

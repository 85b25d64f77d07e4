// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Welcome page: buttons, recent models, drops, tasks.
#include "widgets/panels/welcomepage.h"

#include <QAbstractButton>
#include <QDropEvent>
#include <QLabel>
#include <QListWidget>
#include <QMimeData>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;

namespace {

QAbstractButton* button(QWidget& page, const QString& text)
{
    for (QAbstractButton* candidate : page.findChildren<QAbstractButton*>()) {
        if (candidate->text().contains(text))
            return candidate;
    }
    return nullptr;
}

void drop(QWidget& page, const QList<QUrl>& urls, bool* accepted)
{
    QMimeData data;
    data.setUrls(urls);
    QDragEnterEvent enter(QPoint(5, 5), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    enter.setAccepted(false);
    QApplication::sendEvent(&page, &enter);
    *accepted = enter.isAccepted();
    QDropEvent event(QPointF(5, 5), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(&page, &event);
}

} // namespace

class TestWelcome : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void buttonsAreWishes()
    {
        WelcomePage page;
        page.resize(900, 640);
        page.show();
        QSignalSpy files(&page, &WelcomePage::openFileRequested), folders(&page, &WelcomePage::openFolderRequested);
        QSignalSpy bundled(&page, &WelcomePage::openBundledRequested), tasks(&page, &WelcomePage::taskRequested);
        QTest::mouseClick(button(page, "Open file"), Qt::LeftButton);
        QTest::mouseClick(button(page, "Open folder"), Qt::LeftButton);
        QTest::mouseClick(button(page, "Open the bundled model"), Qt::LeftButton);
        QTest::mouseClick(button(page, "outlier channels"), Qt::LeftButton);
        button(page, "INT4 against NF4")->setFocus();
        QTest::keyClick(button(page, "INT4 against NF4"), Qt::Key_Space);
        QCOMPARE(files.size(), 1);
        QCOMPARE(folders.size(), 1);
        QCOMPARE(bundled.size(), 2);
        QCOMPARE(bundled[0][0].toBool(), false);
        QCOMPARE(bundled[1][0].toBool(), true);
        QCOMPARE(tasks.size(), 1);
        QCOMPARE(tasks[0][0].value<WelcomePage::Task>(), WelcomePage::Task::CompareInt4WithNf4);
    }

    void plantedOutliersAreAdmitted()
    {
        WelcomePage page;
        bool told = false;
        for (const QLabel* label : page.findChildren<QLabel*>())
            told = told || label->text().contains("planted on purpose");
        QVERIFY(told);
    }

    void recentModelsOpenUnlessMissing()
    {
        QTemporaryDir folder;
        WelcomePage page;
        page.resize(900, 640);
        page.setRecentModels({folder.path(), folder.filePath("gone.gguf")});
        page.show();
        auto* list = page.findChild<QListWidget*>();
        QCOMPARE(list->count(), 2);
        QVERIFY(!(list->item(1)->flags() & Qt::ItemIsEnabled));
        QVERIFY(list->item(1)->text().contains("missing"));
        QSignalSpy opened(&page, &WelcomePage::openPathRequested);
        QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualItemRect(list->item(1)).center());
        QCOMPARE(opened.size(), 0);
        QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualItemRect(list->item(0)).center());
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened[0][0].toString(), folder.path());
        list->setCurrentRow(0);
        list->setFocus();
        QTest::keyClick(list, Qt::Key_Return);
        QCOMPARE(opened.size(), 2);
        page.setRecentModels({});
        QCOMPARE(list->count(), 1);
        QVERIFY(!(list->item(0)->flags() & Qt::ItemIsSelectable));
    }

    void dropsOpenLocalFiles()
    {
        WelcomePage page;
        page.resize(900, 640);
        page.show();
        QSignalSpy opened(&page, &WelcomePage::openPathRequested);
        bool accepted = false;
        drop(page, {QUrl("https://example.org/model.gguf")}, &accepted);
        QVERIFY(!accepted);
        QCOMPARE(opened.size(), 0);
        drop(page, {QUrl::fromLocalFile("/models/a b.gguf")}, &accepted);
        QVERIFY(accepted);
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened[0][0].toString(), QString("/models/a b.gguf"));
    }

    void fitsTheSmallestWindow()
    {
        WelcomePage page;
        QVERIFY(page.minimumSizeHint().width() <= 1000);
        QVERIFY2(page.minimumSizeHint().height() <= 660, qPrintable(QString::number(page.minimumSizeHint().height())));
    }
};

QTEST_MAIN(TestWelcome)
#include "tst_welcome.moc"
